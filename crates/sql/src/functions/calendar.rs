//! Times of the calendar that the engine has not, as PostgreSQL has them: date_trunc in a time zone,
//! to_timestamp of seconds or of a text with a pattern, make_timestamptz; and width_bucket.

use std::{str::FromStr, sync::Arc};

use chrono::{
    DateTime, Datelike, Days, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta,
    TimeZone, Timelike, Utc,
    format::{Parsed, StrftimeItems, parse},
};
use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, Int32Array, StringArray, TimestampMicrosecondArray,
            timezone::Tz,
        },
        datatypes::{DataType, FieldRef, Float64Type, Int64Type, TimestampMicrosecondType},
    },
    common::{Result, exec_datafusion_err, exec_err},
    logical_expr::{ScalarUDF, Signature, Volatility},
};
use mainstem_kernel::types::timestamp_tz;

use super::own::{Gives, Own};
use crate::sketch::bucket_number;

pub(super) fn udfs() -> Vec<Arc<ScalarUDF>> {
    let exact = |types: Vec<DataType>| Signature::exact(types, Volatility::Immutable);
    let time = Gives::Type(timestamp_tz);
    let (text, int, double) = (DataType::Utf8, DataType::Int64, DataType::Float64);
    let all = [
        Own {
            name: "date_trunc_in",
            signature: exact(vec![text.clone(), timestamp_tz(), text.clone()]),
            gives: time,
            run: truncated,
        },
        Own {
            name: "to_timestamp",
            signature: exact(vec![double.clone()]),
            gives: time,
            run: of_seconds,
        },
        Own {
            name: "to_timestamp_of",
            signature: exact(vec![text.clone(), text]),
            gives: time,
            run: of_text,
        },
        Own {
            name: "make_timestamptz",
            signature: exact([vec![int.clone(); 5], vec![double.clone()]].concat()),
            gives: time,
            run: made,
        },
        Own {
            name: "width_bucket",
            signature: exact(vec![double.clone(), double.clone(), double, int]),
            gives: Gives::Type(|| DataType::Int32),
            run: bucket,
        },
    ];
    all.into_iter().map(Own::udf).collect()
}

fn times(micros: impl Iterator<Item = Result<Option<i64>>>) -> Result<ArrayRef> {
    let micros = micros.collect::<Result<TimestampMicrosecondArray>>()?;
    Ok(Arc::new(micros.with_timezone("UTC")))
}

fn truncated(args: &[ArrayRef], _: &[FieldRef]) -> Result<ArrayRef> {
    let [unit, time, zone] = args else {
        return exec_err!("date_trunc takes a unit, a time and a zone");
    };
    let (units, zones) = (unit.as_string::<i32>(), zone.as_string::<i32>());
    let moments = time.as_primitive::<TimestampMicrosecondType>();
    // All rows have one zone as a rule.
    let mut known: Option<(String, Tz)> = None;
    times((0..time.len()).map(|row| {
        if units.is_null(row) || zones.is_null(row) || moments.is_null(row) {
            return Ok(None);
        }
        let name = zones.value(row);
        let zone = match &known {
            Some((known, zone)) if known == name => *zone,
            _ => {
                let zone = Tz::from_str(name);
                let zone = zone
                    .map_err(|_unknown| exec_datafusion_err!("there is no time zone \"{name}\""))?;
                known = Some((name.to_owned(), zone));
                zone
            }
        };
        let moment = DateTime::<Utc>::from_timestamp_micros(moments.value(row));
        let moment = moment.ok_or_else(|| exec_datafusion_err!("a time is out of range"))?;
        let local = moment.with_timezone(&zone).naive_local();
        let start = start_of(units.value(row), local)?;
        Ok(Some(moment_of(start, zone, moment)?.timestamp_micros()))
    }))
}

/// The beginning of the unit that a time of the wall is in.
fn start_of(unit: &str, local: NaiveDateTime) -> Result<NaiveDateTime> {
    let (day, hour) = (local.date(), local.hour());
    let of_year = |year: i32, month| NaiveDate::from_ymd_opt(year, month, 1);
    let year = day.year();
    let at = |hour, minute, second| NaiveTime::from_hms_opt(hour, minute, second);
    let unit = unit.to_ascii_lowercase();
    let start = match unit.as_str() {
        "second" => return Ok(local.with_nanosecond(0).unwrap_or(local)),
        "minute" => Some(day).zip(at(hour, local.minute(), 0)),
        "hour" => Some(day).zip(at(hour, 0, 0)),
        "day" => Some(day).zip(at(0, 0, 0)),
        "week" => {
            let behind = Days::new(day.weekday().num_days_from_monday().into());
            day.checked_sub_days(behind).zip(at(0, 0, 0))
        }
        "month" => of_year(year, day.month()).zip(at(0, 0, 0)),
        "quarter" => of_year(year, day.month0() / 3 * 3 + 1).zip(at(0, 0, 0)),
        "year" => of_year(year, 1).zip(at(0, 0, 0)),
        "decade" => of_year(year.div_euclid(10) * 10, 1).zip(at(0, 0, 0)),
        "century" => of_year((year - 1).div_euclid(100) * 100 + 1, 1).zip(at(0, 0, 0)),
        _ => return exec_err!("date_trunc knows no unit \"{unit}\""),
    };
    match start {
        Some((day, time)) => Ok(day.and_time(time)),
        None => exec_err!("a time is out of range"),
    }
}

/// The moment at which a wall shows a time. Where it shows it twice, the one on the same side of the
/// change as `near`; where it never does, the change itself.
fn moment_of(local: NaiveDateTime, zone: Tz, near: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let mut wall = local;
    // No zone leaves out more than a day.
    for _ in 0..=1_440 {
        match zone.from_local_datetime(&wall) {
            MappedLocalTime::Single(found) => return Ok(found.with_timezone(&Utc)),
            MappedLocalTime::Ambiguous(first, second) => {
                let second = second.with_timezone(&Utc);
                return Ok(match second <= near {
                    true => second,
                    false => first.with_timezone(&Utc),
                });
            }
            MappedLocalTime::None => wall += TimeDelta::minutes(1),
        }
    }
    exec_err!("the time zone never shows {local}")
}

fn of_seconds(args: &[ArrayRef], _: &[FieldRef]) -> Result<ArrayRef> {
    let [seconds] = args else {
        return exec_err!("to_timestamp takes one number");
    };
    let seconds = seconds.as_primitive::<Float64Type>();
    times(seconds.iter().map(|seconds| {
        let Some(seconds) = seconds else {
            return Ok(None);
        };
        let micros = (seconds * 1e6).round_ties_even();
        // What is within is exact as an integer.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it was compared with the bounds of times"
        )]
        match micros.abs() < 8.3e18 {
            true => Ok(Some(micros as i64)),
            false => exec_err!("to_timestamp of {seconds} is out of range"),
        }
    }))
}

fn of_text(args: &[ArrayRef], _: &[FieldRef]) -> Result<ArrayRef> {
    let [text, pattern] = args else {
        return exec_err!("to_timestamp takes a text and a pattern");
    };
    let (texts, patterns): (&StringArray, &StringArray) = (text.as_string(), pattern.as_string());
    times(texts.iter().zip(patterns).map(|(text, pattern)| {
        let Some((text, pattern)) = text.zip(pattern) else {
            return Ok(None);
        };
        let unfit = || exec_datafusion_err!("\"{text}\" does not have the pattern of to_timestamp");
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, StrftimeItems::new(pattern)).map_err(|_unfit| unfit())?;
        // What is not told is the first: as PostgreSQL has it.
        for (missing, set) in [
            (
                parsed.month().is_none(),
                Parsed::set_month as fn(&mut Parsed, i64) -> _,
            ),
            (parsed.day().is_none(), Parsed::set_day),
        ] {
            if missing && parsed.ordinal().is_none() && parsed.isoweek().is_none() {
                set(&mut parsed, 1).map_err(|_unfit| unfit())?;
            }
        }
        let day = parsed.to_naive_date().map_err(|_unfit| unfit())?;
        let has_hour = parsed.hour_mod_12().is_some();
        if has_hour && parsed.hour_div_12().is_none() {
            parsed.set_ampm(false).map_err(|_unfit| unfit())?;
        }
        if has_hour && parsed.minute().is_none() {
            parsed.set_minute(0).map_err(|_unfit| unfit())?;
        }
        let time = match has_hour {
            true => parsed.to_naive_time().map_err(|_unfit| unfit())?,
            false => NaiveTime::MIN,
        };
        Ok(Some(day.and_time(time).and_utc().timestamp_micros()))
    }))
}

fn made(args: &[ArrayRef], _: &[FieldRef]) -> Result<ArrayRef> {
    let [whole @ .., seconds] = args else {
        return exec_err!("make_timestamptz takes six numbers");
    };
    let seconds = seconds.as_primitive::<Float64Type>();
    let whole: Vec<_> = whole
        .iter()
        .map(|part| part.as_primitive::<Int64Type>())
        .collect();
    times((0..seconds.len()).map(|row| {
        if seconds.is_null(row) || whole.iter().any(|part| part.is_null(row)) {
            return Ok(None);
        }
        let parts: Vec<i64> = whole.iter().map(|part| part.value(row)).collect();
        let moment = moment(&parts, seconds.value(row));
        let moment = moment.ok_or_else(|| {
            exec_datafusion_err!("make_timestamptz got a number that no time has")
        })?;
        Ok(Some(moment))
    }))
}

fn moment(parts: &[i64], seconds: f64) -> Option<i64> {
    let [year, month, day, hour, minute] = parts else {
        return None;
    };
    let small = |part: &i64| u32::try_from(*part).ok();
    let day = NaiveDate::from_ymd_opt(i32::try_from(*year).ok()?, small(month)?, small(day)?)?;
    let time = NaiveTime::from_hms_opt(small(hour)?, small(minute)?, 0)?;
    if !(0.0..=60.0).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a minute at most")]
    let micros = (seconds * 1e6).round_ties_even() as i64;
    let start = day.and_time(time).and_utc().timestamp_micros();
    start.checked_add(micros)
}

/// 0 below the lowest bound, the number of buckets and one at the highest and above; bounds may fall.
fn bucket(args: &[ArrayRef], _: &[FieldRef]) -> Result<ArrayRef> {
    let [value, low, high, count] = args else {
        return exec_err!("width_bucket takes a number, two bounds and a count");
    };
    let [value, low, high] = [value, low, high].map(|column| column.as_primitive::<Float64Type>());
    let count = count.as_primitive::<Int64Type>();
    let buckets = (0..value.len()).map(|row| {
        let is_null = [value.is_null(row), low.is_null(row), high.is_null(row)];
        if is_null.contains(&true) || count.is_null(row) {
            return Ok(None);
        }
        let (value, low, high) = (value.value(row), low.value(row), high.value(row));
        let Some(count) = u32::try_from(count.value(row))
            .ok()
            .filter(|n| (1..i32::MAX.unsigned_abs()).contains(n))
        else {
            return exec_err!("width_bucket takes a count above zero");
        };
        if value.is_nan() || !low.is_finite() || !high.is_finite() {
            return exec_err!("width_bucket takes finite bounds and no NaN");
        }
        if low.to_bits() == high.to_bits() {
            return exec_err!("width_bucket takes two different bounds");
        }
        Ok(i32::try_from(bucket_number(value, (low, high), count)).ok())
    });
    let buckets = buckets.collect::<Result<Int32Array>>()?;
    Ok(Arc::new(buckets))
}
