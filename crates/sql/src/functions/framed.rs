//! Aggregates over a frame of OVER that rows leave, where the engine's cannot take rows back: the rows of
//! the frame are kept, and aggregated anew for each row. So it costs as much as the frame is long.
//!
//! Rows leave a frame in the order in which they came in.

use std::{collections::VecDeque, mem::size_of, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef},
        compute::concat,
        datatypes::{DataType, FieldRef, Schema},
    },
    common::{Result, ScalarValue, exec_err},
    functions_aggregate::{
        average::avg_udaf,
        bool_and_or::{bool_and_udaf, bool_or_udaf},
    },
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::AggregateOrderSensitivity,
    },
    physical_expr::{PhysicalExpr, PhysicalSortExpr},
};

/// What an accumulator is made with.
#[derive(Debug)]
struct Made {
    of: Arc<dyn AggregateUDFImpl>,
    return_field: FieldRef,
    schema: Schema,
    ignore_nulls: bool,
    order_bys: Vec<PhysicalSortExpr>,
    is_reversed: bool,
    name: String,
    is_distinct: bool,
    exprs: Vec<Arc<dyn PhysicalExpr>>,
    expr_fields: Vec<FieldRef>,
}

impl Made {
    fn anew(&self) -> Result<Box<dyn Accumulator>> {
        self.of.accumulator(AccumulatorArgs {
            return_field: Arc::clone(&self.return_field),
            schema: &self.schema,
            ignore_nulls: self.ignore_nulls,
            order_bys: &self.order_bys,
            is_reversed: self.is_reversed,
            name: &self.name,
            is_distinct: self.is_distinct,
            exprs: &self.exprs,
            expr_fields: &self.expr_fields,
        })
    }
}

/// An accumulator of a function over a frame that rows leave.
///
/// # Errors
/// What the function says of its arguments.
pub(super) fn framed(
    of: Arc<dyn AggregateUDFImpl>,
    args: &AccumulatorArgs<'_>,
) -> Result<Box<dyn Accumulator>> {
    let made = Made {
        of,
        return_field: Arc::clone(&args.return_field),
        schema: args.schema.clone(),
        ignore_nulls: args.ignore_nulls,
        order_bys: args.order_bys.to_vec(),
        is_reversed: args.is_reversed,
        name: args.name.to_owned(),
        is_distinct: args.is_distinct,
        exprs: args.exprs.to_vec(),
        expr_fields: args.expr_fields.to_vec(),
    };
    // What is wrong with the arguments is said before there are rows.
    made.anew()?;
    Ok(Box::new(Framed {
        made,
        rows: VecDeque::new(),
    }))
}

/// The rows of a frame.
#[derive(Debug)]
struct Framed {
    made: Made,
    /// The arguments of neighbouring rows; none is empty.
    rows: VecDeque<Vec<ArrayRef>>,
}

fn count(columns: &[ArrayRef]) -> usize {
    columns.first().map_or(0, |column| column.len())
}

impl Accumulator for Framed {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        if count(columns) > 0 {
            self.rows.push_back(columns.to_vec());
        }
        Ok(())
    }

    fn retract_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let mut gone = count(columns);
        while gone > 0 {
            let Some(first) = self.rows.front_mut() else {
                return exec_err!("more rows left a frame than it had");
            };
            let rows = count(first);
            if rows <= gone {
                self.rows.pop_front();
            } else {
                let stay = rows.saturating_sub(gone);
                for column in first {
                    *column = column.slice(gone, stay);
                }
            }
            gone = gone.saturating_sub(rows);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut one = self.made.anew()?;
        let width = self.rows.front().map_or(0, Vec::len);
        let columns = (0..width).map(|at| {
            let pieces = self.rows.iter().filter_map(|columns| columns.get(at));
            let pieces: Vec<&dyn Array> = pieces.map(AsRef::as_ref).collect();
            concat(&pieces)
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        if width > 0 {
            one.update_batch(&columns)?;
        }
        one.evaluate()
    }

    fn size(&self) -> usize {
        let slices = self.rows.iter().flatten();
        let bytes = slices.map(|column| column.to_data().get_slice_memory_size());
        // Those that cannot tell take little.
        size_of::<Self>() + bytes.filter_map(std::result::Result::ok).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        exec_err!("the rows of a frame are in one place")
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        exec_err!("the rows of a frame are in one place")
    }
}

/// Functions of the engine's that cannot take rows back, or not of DISTINCT.
pub(super) fn udafs() -> Vec<Arc<AggregateUDF>> {
    let all = [
        (bool_and_udaf(), "every"),
        (bool_or_udaf(), ""),
        (avg_udaf(), ""),
    ];
    let all = all.map(|(plain, more)| {
        let mut aliases = plain.aliases().to_vec();
        aliases.extend((!more.is_empty()).then(|| more.to_owned()));
        Arc::new(AggregateUDF::from(OverFrames { plain, aliases }))
    });
    all.to_vec()
}

/// A function as the engine has it, and over frames that rows leave.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OverFrames {
    plain: Arc<AggregateUDF>,
    aliases: Vec<String>,
}

impl AggregateUDFImpl for OverFrames {
    fn name(&self) -> &str {
        self.plain.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        self.plain.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.plain.return_type(types)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.plain.coerce_types(types)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.plain.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.plain.accumulator(args)
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        match self.plain.create_sliding_accumulator(args.clone()) {
            Ok(plain) if plain.supports_retract_batch() => Ok(plain),
            _ => framed(Arc::clone(self.plain.inner()), &args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.plain.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.plain.create_groups_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}
