//! `PerText`: a test of one text column that is run once per text of a dictionary.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::recent::Recent;
use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, RecordBatch, StringArray,
        },
        buffer::BooleanBuffer,
        datatypes::{DataType, Field, Int32Type, Schema, SchemaRef},
    },
    common::{
        Result,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::ColumnarValue,
    physical_expr::{
        conjunction,
        expressions::{CastExpr, Column},
        split_conjunction,
        utils::collect_columns,
    },
    physical_plan::PhysicalExpr,
};

/// The predicate with tests of single text columns put first, in a form that is run once per text
/// of a dictionary; `None` if there are none. What passes them is tested as it was written.
pub(crate) fn sooner(
    predicate: &Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> Option<Arc<dyn PhysicalExpr>> {
    let parts = split_conjunction(predicate);
    let mut tests: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    for part in parts {
        if let Some(test) = PerText::of(part, schema) {
            tests.push(Arc::new(test));
        }
    }
    if tests.is_empty() {
        return None;
    }
    tests.push(Arc::clone(predicate));
    Some(conjunction(tests))
}

/// True where a test of a text is true; false where it is false or NULL.
#[derive(Debug)]
struct PerText {
    /// Gives texts, as they are or as dictionaries.
    column: Arc<dyn PhysicalExpr>,
    /// Over a batch of one column of texts.
    test: Arc<dyn PhysicalExpr>,
    /// Answers, by the text's place.
    known: Recent<Arc<[bool]>>,
}

impl PerText {
    /// The test, if it is one of a single text column.
    fn of(test: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Self> {
        let columns = collect_columns(test);
        let mut columns = columns.into_iter();
        let (Some(column), None) = (columns.next(), columns.next()) else {
            return None;
        };
        let field = schema.fields().get(column.index())?;
        let is_steady = !datafusion::physical_expr_common::physical_expr::is_volatile(test);
        (*field.data_type() == DataType::Utf8 && is_steady).then_some(())?;
        let alone = Arc::clone(test).transform(|node| {
            if node.is::<Column>() {
                let only: Arc<dyn PhysicalExpr> = Arc::new(Column::new(column.name(), 0));
                return Ok(Transformed::yes(only));
            }
            Ok(Transformed::no(node))
        });
        Some(Self::new(Arc::new(column), alone.ok()?.data))
    }

    fn new(column: Arc<dyn PhysicalExpr>, test: Arc<dyn PhysicalExpr>) -> Self {
        let known = Recent::default();
        Self {
            column,
            test,
            known,
        }
    }

    /// Tests texts as they are.
    fn run(&self, texts: &ArrayRef) -> Result<BooleanArray> {
        let batch = RecordBatch::try_new(one_text(), vec![Arc::clone(texts)])?;
        let answers = self.test.evaluate(&batch)?.into_array(texts.len())?;
        Ok(answers.as_boolean().clone())
    }

    fn of_coded(&self, coded: &DictionaryArray<Int32Type>) -> Result<BooleanArray> {
        let answers = self.answers(coded.values())?;
        let keys = coded.keys();
        let values = keys.values();
        let answer = |row: usize| {
            let key = values.get(row).and_then(|key| usize::try_from(*key).ok());
            let answer = key.and_then(|key| answers.get(key));
            answer.copied().unwrap_or(false)
        };
        let mut found = BooleanBuffer::collect_bool(values.len(), answer);
        if let Some(nulls) = keys.nulls().filter(|nulls| nulls.null_count() > 0) {
            let null: ArrayRef = Arc::new(StringArray::new_null(1));
            let is_true = self.run(&null).is_ok_and(|answer| answer.has_true());
            found = match is_true {
                true => &found | &!nulls.inner(),
                false => &found & nulls.inner(),
            };
        }
        Ok(BooleanArray::new(found, None))
    }

    fn answers(&self, texts: &ArrayRef) -> Result<Arc<[bool]>> {
        self.known.of(texts, |texts| {
            // Not every text need be in a row that other tests let pass: one that cannot be
            // tested is left to the predicate as it was written.
            Ok(match self.run(texts) {
                Ok(found) => found.iter().map(|found| found == Some(true)).collect(),
                Err(_untestable) => std::iter::repeat_n(true, texts.len()).collect(),
            })
        })
    }
}

fn one_text() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, true)]))
}

impl PhysicalExpr for PerText {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(false)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let texts = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        let found = match texts.as_dictionary_opt::<Int32Type>() {
            Some(coded) => self.of_coded(coded)?,
            None => match self.run(&texts) {
                Ok(found) => found
                    .iter()
                    .map(|found| Some(found == Some(true)))
                    .collect(),
                Err(_untestable) => BooleanArray::from(vec![true; texts.len()]),
            },
        };
        Ok(ColumnarValue::Array(Arc::new(found)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    /// A cast from a dictionary to texts is left out: it would undo what this is for.
    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let column = children.first().unwrap_or(&self.column);
        let bare = match column.downcast_ref::<CastExpr>() {
            Some(cast) if cast.expr().is::<Column>() => cast.expr(),
            _ => column,
        };
        Ok(Arc::new(Self::new(
            Arc::clone(bare),
            Arc::clone(&self.test),
        )))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.test.fmt_sql(f)
    }
}

impl fmt::Display for PerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "per text: {}", self.test)
    }
}

impl PartialEq for PerText {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && self.test.eq(&other.test)
    }
}

impl Eq for PerText {}

impl Hash for PerText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.test.hash(state);
    }
}
