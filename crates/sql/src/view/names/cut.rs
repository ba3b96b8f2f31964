//! TUMBLE(object, time, INTERVAL '…'[, INTERVAL 'offset'][, TIME ZONE '…']), and HOP and CUMULATE,
//! which have the slide in front of the length: their arguments, and whether time may be cut like
//! this.

use mainstem_kernel::{Code, Place, Problem, types::timestamp_tz};
use sqlparser::ast::{
    DateTimeField, Expr, FunctionArg, FunctionArgExpr, Ident, Interval, ObjectName, TableAlias,
    TableFactor, Value, ValueWithSpan,
};

use super::{
    super::{
        Input, Overlapping, Tumbling, WindowKind, Windows,
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

/// Functions in FROM that cut time.
const KINDS: [WindowKind; 4] = [
    WindowKind::Tumbling,
    WindowKind::Hopping,
    WindowKind::Cumulating,
    WindowKind::Session,
];
/// Those of other systems.
const OTHERS: [&str; 2] = ["slide", "tumble_start"];
/// Longest window.
const SIZE_US_MAX: i64 = 366 * DAY_US;

/// How each is written.
const fn form(kind: WindowKind) -> &'static str {
    match kind {
        WindowKind::Tumbling => "write TUMBLE(stream, time_column, INTERVAL '1 minute')",
        WindowKind::Hopping => {
            "write HOP(stream, time_column, INTERVAL '1 minute', INTERVAL '5 minutes'): the slide, then the length"
        }
        WindowKind::Cumulating => {
            "write CUMULATE(stream, time_column, INTERVAL '1 hour', INTERVAL '1 day'): the step, then the longest length"
        }
        WindowKind::Session => {
            "write SESSION(stream PARTITION BY column, time_column, INTERVAL '30 minutes'): the gap that ends a session"
        }
    }
}

/// The spans and the zone behind the time, as they are written.
struct Spans<'a> {
    kind: WindowKind,
    /// The slide; the length if windows do not overlap.
    slide: &'a Expr,
    size: &'a Expr,
    /// Offset and zone.
    more: &'a [Expr],
}

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
        let mut kinds = KINDS.into_iter();
        let Some(kind) = kinds.find(|kind| kind.function().eq_ignore_ascii_case(&function)) else {
            return Err(match OTHERS.contains(&function.as_str()) {
                true => unbuilt(&format!("{}(…)", function.to_uppercase()), place)
                    .hint("TUMBLE(stream, time, INTERVAL '1 minute') cuts time into windows"),
                false => unbuilt(&format!("function \"{function}\" in FROM"), place)
                    .hint("name a stream, a table or a view, or TUMBLE(…)"),
            });
        };
        let args = self.expressions(args, (kind, &place))?;
        let (object, time, spans) = spans(kind, &args).ok_or_else(|| {
            let slide = match kind.overlaps() {
                true => ", INTERVAL '…'",
                false => "",
            };
            let function = kind.function();
            let message = format!("expected {function}(object, time{slide}, INTERVAL '…')");
            mistake(Code::Sql001, place, message).hint(form(kind))
        })?;
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
        let time = self.time(&known, time, kind)?;
        let cut = Cut {
            time,
            windows: self.cut(&spans)?,
            by: self.by(&known, object)?,
        };
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

    fn expressions(
        &self,
        args: &[FunctionArg],
        (kind, place): (WindowKind, &Place),
    ) -> Result<Vec<Expr>, Problem> {
        let each = args.iter().map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
            _ => {
                let message = format!("{} takes its arguments by position", kind.function());
                Err(mistake(Code::Sql001, place.clone(), message).hint(form(kind)))
            }
        });
        each.collect()
    }

    /// The column that holds event time.
    fn time(&self, known: &Known, written: &Expr, kind: WindowKind) -> Result<String, Problem> {
        let place = self.place(written);
        let Expr::Identifier(ident) = written else {
            let message = "expected the column that holds event time";
            return Err(mistake(Code::Sql001, place, message).hint(form(kind)));
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
                    .hint(format!("use {}({}, {column}, …)", kind.function(), known.name)))
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
    fn cut(&self, spans: &Spans<'_>) -> Result<Windows, Problem> {
        let Spans {
            kind,
            slide,
            size,
            more,
        } = *spans;
        let mut windows = Windows {
            kind,
            size_us: self.span(size)?,
            slide_us: self.span(slide)?,
            offset_us: 0,
            zone: None,
        };
        for (index, extra) in more.iter().enumerate() {
            match (index, extra) {
                (0, Expr::Interval(_)) => windows.offset_us = self.span(extra)?,
                (
                    _,
                    Expr::Value(ValueWithSpan {
                        value: Value::SingleQuotedString(zone),
                        span,
                    }),
                ) if windows.zone.is_none() && self.against.marks.is_zone(span.start) => {
                    windows.zone = Some(zone.clone());
                }
                _ => {
                    let function = kind.function();
                    let message = format!("expected TIME ZONE '…' or the end of {function}");
                    return Err(mistake(Code::Sql001, self.place(extra), message).hint(
                        "write TUMBLE(stream, time, INTERVAL '1 day', TIME ZONE 'Europe/Berlin')",
                    ));
                }
            }
        }
        self.fits(&windows, spans)?;
        Ok(windows)
    }

    /// The columns of PARTITION BY.
    fn by(&self, known: &Known, object: &Ident) -> Result<Vec<String>, Problem> {
        let columns = self.against.marks.partition_of(object.span.start).iter();
        let column = |ident: &Ident| {
            let name = folded(ident);
            match known.schema.field_with_name(&name) {
                Ok(_) => Ok(name),
                Err(_) => {
                    let message = format!("{} has no column \"{name}\"", known.label());
                    let place = place_of(self.against.file, ident.span.start);
                    Err(mistake(Code::Sql022, place, message)
                        .hint_if(did_you_mean(&name, known.shown.iter().map(String::as_str))))
                }
            }
        };
        columns.map(column).collect()
    }

    /// Whether time may be cut like this.
    fn fits(&self, windows: &Windows, spans: &Spans<'_>) -> Result<(), Problem> {
        let Spans {
            kind,
            slide,
            size,
            more,
        } = *spans;
        let unfit = |message: String, at: &Expr| mistake(Code::View004, self.place(at), message);
        if windows.size_us > SIZE_US_MAX {
            let message = "a window is at most 366 days long".to_owned();
            return Err(unfit(message, size));
        }
        let last = more.last().unwrap_or(size);
        let zone = windows.zone.as_deref();
        let tried = Tumbling::new(windows.size_us, windows.offset_us, zone);
        let tried = tried.and_then(|_| match kind.overlaps() {
            true => Overlapping::new(windows).map(drop),
            false => Ok(()),
        });
        match tried {
            Ok(()) => Ok(()),
            Err(error @ (TumbleError::Multiple { .. } | TumbleError::Many { .. } | TumbleError::Slide)) => {
                Err(unfit(error.to_string(), slide).hint(form(kind)))
            }
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

/// The object, its time and the spans, as they are written.
fn spans(kind: WindowKind, args: &[Expr]) -> Option<(&Ident, &Expr, Spans<'_>)> {
    let [Expr::Identifier(object), time, rest @ ..] = args else {
        return None;
    };
    let (slide, size, more) = match (kind, rest) {
        (WindowKind::Tumbling, [size, more @ ..]) => (size, size, more),
        (WindowKind::Session, [gap]) => (gap, gap, Default::default()),
        (WindowKind::Hopping | WindowKind::Cumulating, [slide, size, more @ ..]) => {
            (slide, size, more)
        }
        _ => return None,
    };
    let spans = Spans {
        kind,
        slide,
        size,
        more,
    };
    Some((object, time, spans))
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
