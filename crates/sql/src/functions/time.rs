//! Functions of time, and PostgreSQL's patterns of `to_char`.

use super::Row;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    ("now", "", "", "now()", "When the question began.", "now() >= TIMESTAMPTZ '2020-01-01 00:00:00Z'", "true"),
    ("current_timestamp", "", "", "current_timestamp", "The same as now().", "current_timestamp = now()", "true"),
    ("current_date", "", "", "current_date", "The day of now(), in UTC.", "current_date = now()::DATE", "true"),
    ("date_trunc", "", "date_trunc", "date_trunc('unit', time[, 'zone'])", "Rounded down to a unit of the calendar, in UTC or in that zone.", "date_trunc('hour', TIMESTAMPTZ '2026-01-02 03:04:05Z')", "2026-01-02T03:00:00Z"),
    ("date_bin", "", "", "date_bin(INTERVAL '…', time[, origin])", "Rounded down to a multiple of the span.", "date_bin(INTERVAL '15 minutes', TIMESTAMPTZ '2026-01-02 03:22:00Z')", "2026-01-02T03:15:00Z"),
    ("date_part", "", "extract", "date_part('unit', time)", "One part of a time, in UTC: year, month, day, hour, minute, second, dow, doy, week, epoch, …", "date_part('hour', TIMESTAMPTZ '2026-01-02 03:04:05Z')", "3"),
    ("extract", "date_part", "extract", "extract(unit FROM time)", "The same as date_part.", "extract(year FROM DATE '2026-01-02')", "2026"),
    ("to_char", "", "", "to_char(time, 'pattern')", "As text: YYYY MM DD HH24 HH12 MI SS MS US Mon Month Dy Day DDD IW AM; the pattern is a text.", "to_char(TIMESTAMPTZ '2026-01-02 03:04:05Z', 'YYYY-MM-DD HH24:MI')", "2026-01-02 03:04"),
    ("to_timestamp", "", "", "to_timestamp(seconds), to_timestamp(text, 'pattern')", "A time from seconds since 1970, or from a text of a pattern of to_char, in UTC.", "to_timestamp(1.5)", "1970-01-01T00:00:01.500Z"),
    
    ("to_timestamp_micros", "", "[integer] timestamp_micros", "to_timestamp_micros(text or number)", "The same.", "to_timestamp_micros('1970-01-01T00:00:01Z')", "1970-01-01T00:00:01Z"),
    ("to_timestamp_millis", "", "[integer] timestamp_millis", "to_timestamp_millis(number)", "A time from milliseconds since 1970.", "to_timestamp_millis(1000)", "1970-01-01T00:00:01Z"),
    ("to_timestamp_seconds", "", "[integer] timestamp_seconds", "to_timestamp_seconds(number)", "A time from seconds since 1970.", "to_timestamp_seconds(1)", "1970-01-01T00:00:01Z"),
    ("to_unixtime", "", "[time] unix_micros($1) div 1000000L", "to_unixtime(time)", "Seconds since 1970.", "to_unixtime(TIMESTAMPTZ '1970-01-01 00:00:01Z')", "1"),
    ("to_date", "", "", "to_date(text[, 'pattern'])", "A day from a text in ISO form, or of a pattern of to_char.", "to_date('2026-01-02')", "2026-01-02"),
    ("make_date", "", "[integer] make_date", "make_date(year, month, day)", "A day.", "make_date(2026, 1, 2)", "2026-01-02"),
    ("make_timestamptz", "", "", "make_timestamptz(year, month, day, hour, minute, seconds)", "A time, in UTC.", "make_timestamptz(2026, 1, 2, 3, 4, 5.5)", "2026-01-02T03:04:05.500Z"),
    ("to_local_time", "", "", "to_local_time(time AT TIME ZONE '…')", "The time on the wall of that zone, without the zone.", "to_local_time(TIMESTAMPTZ '2026-01-02 03:04:05Z' AT TIME ZONE 'Europe/Berlin')", "2026-01-02T04:04:05"),
];

/// Elements of PostgreSQL's patterns and the engine's; longer ones first.
const ELEMENTS: [(&str, &str); 27] = [
    ("Month", "%B"),
    ("MONTH", "%B"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("YYYY", "%Y"),
    ("FMMonth", "%B"),
    ("FMDD", "%-d"),
    ("FMMM", "%-m"),
    ("FMDay", "%A"),
    ("DDD", "%j"),
    ("Mon", "%b"),
    ("Day", "%A"),
    ("HH", "%I"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("MS", "%3f"),
    ("US", "%6f"),
    ("Dy", "%a"),
    ("IW", "%V"),
    ("ID", "%u"),
    ("AM", "%p"),
    ("PM", "%p"),
    ("TZ", "%Z"),
    ("OF", "%z"),
];

/// A pattern of PostgreSQL's `to_char` in chrono's words. Unlike PostgreSQL's, names of months
/// and days are not filled up with blanks.
///
/// # Errors
/// The letters that are no element of a pattern.
pub(crate) fn pattern(postgres: &str) -> Result<String, String> {
    let mut out = String::with_capacity(postgres.len());
    let mut rest = postgres;
    while let Some(first) = rest.chars().next() {
        let longest = ELEMENTS
            .iter()
            .filter(|(element, _)| rest.starts_with(element))
            .max_by_key(|(element, _)| element.len());
        let (text, length) = match (longest, first) {
            (Some((element, ours)), _) => ((*ours).to_owned(), element.len()),
            (None, '"') => {
                let after = rest.get(1..).unwrap_or_default();
                let end = after.find('"').ok_or_else(|| "\"".to_owned())?;
                let quoted = after.get(..end).unwrap_or_default();
                (quoted.replace('%', "%%"), end.saturating_add(2))
            }
            (None, '%') => ("%%".to_owned(), 1),
            (None, letter) if letter.is_alphabetic() => {
                return Err(rest.chars().take_while(|c| c.is_alphabetic()).collect());
            }
            (None, other) => (other.to_string(), other.len_utf8()),
        };
        out.push_str(&text);
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(out)
}
