//! `Texts`: a number for each text of one column, the same in all threads of a question; and what
//! turns columns into such numbers and back.

use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, StringArray, UInt32Array},
        datatypes::{DataType, Int32Type, Schema, UInt32Type},
    },
    common::{Result, exec_err},
    execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility},
    physical_plan::PhysicalExpr,
};
use parking_lot::Mutex;

use super::recent::Recent;

/// What an entry takes beside its text: two pointers, a number, and room in the map.
const ENTRY_BYTES: usize = 64;

/// Texts and their numbers, which count from zero.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
    /// The memory of the question.
    memory: Option<MemoryReservation>,
}

impl Texts {
    /// Counts what is kept as memory of a question.
    pub(super) fn count_in(&self, pool: &Arc<dyn MemoryPool>) {
        let memory = MemoryConsumer::new("texts of groups").register(pool);
        self.inner.lock().memory = Some(memory);
    }

    /// The numbers of texts; NULL for NULL.
    fn numbers(&self, texts: &StringArray) -> Result<UInt32Array> {
        let mut inner = self.inner.lock();
        let mut last: Option<(&str, u32)> = None;
        let mut number = |text| match last {
            Some((same, number)) if same == text => Ok(number),
            _ => {
                let number = inner.number(text)?;
                last = Some((text, number));
                Ok(number)
            }
        };
        texts
            .iter()
            .map(|text| text.map(&mut number).transpose())
            .collect()
    }

    /// The texts of numbers.
    fn texts(&self, numbers: &UInt32Array) -> StringArray {
        let inner = self.inner.lock();
        let text = |number: u32| {
            let index = usize::try_from(number).ok();
            index
                .and_then(|index| inner.texts.get(index))
                .map(AsRef::as_ref)
        };
        let texts = numbers.iter().map(|number| number.and_then(text));
        texts.collect::<StringArray>()
    }
}

impl Inner {
    fn number(&mut self, text: &str) -> Result<u32> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        let Ok(number) = u32::try_from(self.texts.len()) else {
            return exec_err!("more than {} groups", u32::MAX);
        };
        if let Some(memory) = &mut self.memory {
            memory.try_grow(text.len() + ENTRY_BYTES)?;
        }
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        Ok(number)
    }
}

/// Gives the numbers of a column's texts.
#[derive(Debug)]
pub(super) struct NumberOf {
    /// Gives texts, as they are or as dictionaries.
    column: Arc<dyn PhysicalExpr>,
    texts: Arc<Texts>,
    known: Recent<UInt32Array>,
}

impl NumberOf {
    pub(super) fn new(column: Arc<dyn PhysicalExpr>, texts: Arc<Texts>) -> Self {
        Self {
            column,
            texts,
            known: Recent::default(),
        }
    }

    fn of_coded(&self, coded: &DictionaryArray<Int32Type>) -> Result<UInt32Array> {
        let number_all = |texts: &ArrayRef| self.texts.numbers(texts.as_string::<i32>());
        let numbers = self.known.of(coded.values(), number_all)?;
        let keys = coded.keys();
        let number = |key: &i32| {
            let key = usize::try_from(*key).ok();
            let number = key.and_then(|key| numbers.values().get(key));
            number.copied().unwrap_or(u32::MAX)
        };
        let numbers = keys.values().iter().map(number).collect();
        Ok(UInt32Array::new(numbers, keys.nulls().cloned()))
    }
}

impl PhysicalExpr for NumberOf {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(DataType::UInt32)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.column.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let texts = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        let numbers = match texts.as_dictionary_opt::<Int32Type>() {
            Some(coded) => self.of_coded(coded)?,
            None => self.texts.numbers(texts.as_string::<i32>())?,
        };
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let column = children.first().unwrap_or(&self.column);
        Ok(Arc::new(Self::new(
            Arc::clone(column),
            Arc::clone(&self.texts),
        )))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.column.fmt_sql(f)
    }
}

impl fmt::Display for NumberOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "number of {}", self.column)
    }
}

impl PartialEq for NumberOf {
    fn eq(&self, other: &Self) -> bool {
        self.column.eq(&other.column) && Arc::ptr_eq(&self.texts, &other.texts)
    }
}

impl Eq for NumberOf {}

impl Hash for NumberOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        Arc::as_ptr(&self.texts).hash(state);
    }
}

/// Gives the texts of numbers back, as a function that plans can hold.
#[derive(Debug)]
pub(super) struct TextOf {
    texts: Arc<Texts>,
    signature: Signature,
}

impl TextOf {
    pub(super) fn new(texts: Arc<Texts>) -> Self {
        let signature = Signature::exact(vec![DataType::UInt32], Volatility::Stable);
        Self { texts, signature }
    }
}

impl ScalarUDFImpl for TextOf {
    fn name(&self) -> &'static str {
        "text_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(numbers) = arrays.first() else {
            return exec_err!("text_of takes one argument");
        };
        let texts = self.texts.texts(numbers.as_primitive::<UInt32Type>());
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

impl PartialEq for TextOf {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.texts, &other.texts)
    }
}

impl Eq for TextOf {}

impl Hash for TextOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.texts).hash(state);
    }
}
