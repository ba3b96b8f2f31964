//! TUMBLE(object, time, INTERVAL '…'[, INTERVAL 'offset'][, TIME ZONE '…']): its arguments, and
//! whether time may be cut like this.

use mainstem_kernel::{Code, Place, Problem, types::timestamp_tz};
use sqlparser::ast::{
    DateTimeField, Expr, FunctionArg, FunctionArgExpr, Ident, Interval, ObjectName, TableAlias,
    TableFactor, Value, ValueWithSpan,
};

use super::{
    super::{
        Input, Tumbling,
        refuse::unbuilt,
        relation::{self, Cut, Known, Role},
        tumble::{DAY_US, TumbleError},
    },
    Binder, For, Seen, batch, judge, seen,
};
use crate::{
    declare::{Told, mistake, place_of, read_span},
    engine::{bare, folded},
    nearest::did_you_mean,
};

/// Functions in FROM that cut time, of this and other systems.
const OTHERS: [&str; 5] = ["hop", "session", "cumulate", "slide", "tumble_start"];
/// Longest window.
const SIZE_US_MAX: i64 = 366 * DAY_US;
const FORM: &str = "write TUMBLE(stream, time_column, INTERVAL '1 minute')";

impl Binder<'_> {
    /// An object cut into windows.
    pub(super) fn windows(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
    ) -> Result<(Seen, TableFactor), Problem> {
        let place = self.place(name);
        let function = bare(name).map(folded).unwrap_or_default();
        if function != "tumble" {
            return Err(match OTHERS.contains(&function.as_str()) {
                true => unbuilt(&format!("{}(…)", function.to_uppercase()), place)
                    .hint("TUMBLE(stream, time, INTERVAL '1 minute') cuts time into windows"),
                false => unbuilt(&format!("function \"{function}\" in FROM"), place)
                    .hint("name a stream, a table or a view, or TUMBLE(…)"),
            });
        }
        let args = self.expressions(args, &place)?;
        let [Expr::Identifier(object), time, size, more @ ..] = args.as_slice() else {
            let message = "expected TUMBLE(object, time, INTERVAL '…')";
            return Err(mistake(Code::Sql001, place, message).hint(FORM));
        };
        let (known, ident) = self.known(&ObjectName::from(vec![object.clone()]))?;
        if known.schema.index_of(relation::WINDOW_COLUMNS[0]).is_ok()
            || known.schema.index_of(relation::WINDOW_COLUMNS[1]).is_ok()
        {
            let message = format!("{} has windows of its own", known.label());
            return Err(mistake(
                Code::View001,
                place_of(self.against.file, object.span.start),
                message,
            )
            .detail("The columns window_start and window_end would be there twice.")
            .hint("rename them in the view that is read: window_start AS minute"));
        }
        let time = self.time(&known, time)?;
        let cut = self.cut(time, size, more)?;
        let alias = self.alias(alias, &ident)?;
        let becomes = match self.becomes {
            For::Plan => None,
            For::Question => Some(plain(&known, &cut, &alias)?),
            For::Check => Some(judge::windowed(self.against, &known, &cut, &alias)?),
        };
        let index = self.relation(known, Role::Windows(cut));
        let becomes = becomes.unwrap_or_else(|| batch::named(&format!("${index}"), &alias));
        Ok((seen(alias, index), becomes))
    }

    fn expressions(&self, args: &[FunctionArg], place: &Place) -> Result<Vec<Expr>, Problem> {
        let each = args.iter().map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
            _ => Err(mistake(
                Code::Sql001,
                place.clone(),
                "TUMBLE takes its arguments by position",
            )
            .hint(FORM)),
        });
        each.collect()
    }

    /// The column that holds event time.
    fn time(&self, known: &Known, written: &Expr) -> Result<String, Problem> {
        let place = self.place(written);
        let Expr::Identifier(ident) = written else {
            let message = "expected the column that holds event time";
            return Err(mistake(Code::Sql001, place, message).hint(FORM));
        };
        let name = folded(ident);
        let label = known.label();
        let Ok(field) = known.schema.field_with_name(&name) else {
            let message = format!("{label} has no column \"{name}\"");
            return Err(mistake(Code::Sql022, place, message)
                .hint_if(did_you_mean(&name, known.shown.iter().map(String::as_str))));
        };
        if *field.data_type() != timestamp_tz() {
            let message = format!("windows over \"{name}\", which is no TIMESTAMPTZ");
            return Err(mistake(Code::View004, place, message));
        }
        if !known.input.is_append_only() {
            return Err(unbuilt(
                &format!("windows over rows that change, as those of {label} do,"),
                place,
            )
            .hint("open the windows over the stream that the rows are computed from"));
        }
        let of = match &known.input {
            Input::Stream { .. } => "stream",
            _ => "view",
        };
        match known.input.watermark() {
            Some(watermark) if watermark.column.as_str() == name => Ok(name),
            Some(watermark) => {
                let column = &watermark.column;
                let message = format!("windows are opened over \"{name}\", which has no watermark");
                Err(mistake(Code::View004, place, message)
                    .detail(format!(
                        "A window closes when the watermark of its time passes. The event time of {label} is \"{column}\"."
                    ))
                    .hint(format!("use TUMBLE({}, {column}, …)", known.name)))
            }
            None => {
                let message = format!("windows are opened over {label}, which has no watermark");
                let problem = mistake(Code::View004, place, message)
                    .detail("A window closes when the watermark of its time passes.");
                Err(match of {
                    "stream" => problem.hint(format!(
                        "declare WATERMARK FOR {name} AS {name} - INTERVAL '10 seconds' in CREATE STREAM {}",
                        known.name
                    )),
                    _ => problem.hint("select the event time of the stream that it reads"),
                })
            }
        }
    }

    /// Length, shift and zone.
    fn cut(&self, time: String, size: &Expr, more: &[Expr]) -> Result<Cut, Problem> {
        let size_us = self.span(size)?;
        let mut cut = Cut {
            time,
            size_us,
            offset_us: 0,
            zone: None,
        };
        for (index, extra) in more.iter().enumerate() {
            match (index, extra) {
                (0, Expr::Interval(_)) => cut.offset_us = self.span(extra)?,
                (
                    _,
                    Expr::Value(ValueWithSpan {
                        value: Value::SingleQuotedString(zone),
                        span,
                    }),
                ) if cut.zone.is_none() && self.against.marks.is_zone(span.start) => {
                    cut.zone = Some(zone.clone());
                }
                _ => {
                    let message = "expected TIME ZONE '…' or the end of TUMBLE";
                    return Err(mistake(Code::Sql001, self.place(extra), message).hint(
                        "write TUMBLE(stream, time, INTERVAL '1 day', TIME ZONE 'Europe/Berlin')",
                    ));
                }
            }
        }
        let unfit = |message: String, at: &Expr| mistake(Code::View004, self.place(at), message);
        if cut.size_us > SIZE_US_MAX {
            let message = "a window is at most 366 days long".to_owned();
            return Err(unfit(message, size));
        }
        let last = more.last().unwrap_or(size);
        match Tumbling::new(cut.size_us, cut.offset_us, cut.zone.as_deref()) {
            Ok(_) => Ok(cut),
            Err(error @ TumbleError::Size) => Err(unfit(error.to_string(), size)),
            Err(error @ TumbleError::Zone { .. }) => Err(unfit(error.to_string(), last)
                .hint("name one of the IANA database, such as 'Europe/Berlin', or an offset, such as '+02:00'")),
            Err(error @ TumbleError::Days) => Err(unfit(error.to_string(), last)
                .detail("A time zone says when days begin; shorter windows begin alike in most zones.")
                .hint("leave TIME ZONE out, or make the window '1 day' long")),
            Err(error) => Err(unfit(error.to_string(), size)),
        }
    }

    /// INTERVAL '…' or INTERVAL '…' UNIT in microseconds, of units that always are as long.
    fn span(&self, written: &Expr) -> Result<i64, Problem> {
        let place = self.place(written);
        let wrong = |message: &str| {
            mistake(Code::Sql004, place.clone(), message)
                .hint("write INTERVAL '1 minute', INTERVAL '1 day'")
        };
        let Expr::Interval(Interval {
            value,
            leading_field,
            ..
        }) = written
        else {
            return Err(wrong("expected INTERVAL '…'"));
        };
        let text = match value.as_ref() {
            Expr::Value(ValueWithSpan {
                value: Value::SingleQuotedString(text),
                ..
            }) => text.trim().to_lowercase(),
            _ => return Err(wrong("expected INTERVAL '…'")),
        };
        let text = match leading_field {
            Some(field) => format!("{text} {}", field.to_string().to_lowercase()),
            None => text,
        };
        let calendar = [DateTimeField::Month, DateTimeField::Year];
        let is_calendar = text.contains("mon")
            || text.contains('y') && text.split_whitespace().any(|word| word.starts_with('y'))
            || leading_field.as_ref().is_some_and(|f| calendar.contains(f));
        if is_calendar {
            return Err(mistake(
                Code::View004,
                place,
                "months and years are not always as long",
            )
            .detail("All windows of a view have the same length.")
            .hint(
                "use days or weeks; group by date_trunc('month', time) for months of the calendar",
            ));
        }
        let span = read_span(&text).ok_or_else(|| wrong("expected a span of time"))?;
        i64::try_from(span.as_micros()).map_err(|_huge| wrong("expected a shorter span"))
    }
}

/// The windows as columns of a subquery.
fn plain(known: &Known, cut: &Cut, alias: &Ident) -> Result<TableFactor, Problem> {
    let columns = known
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str());
    batch::windowed((known.name.as_str(), columns), cut, alias)
}
