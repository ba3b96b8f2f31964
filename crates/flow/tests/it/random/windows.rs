//! Windows of event time at random: tumbling, hopping, cumulating, sessions.

use super::{
    expressions::Kind,
    view::{Nature, Time},
    writing::{Writing, every},
};
use crate::world::{Random, SECOND};

impl Writing<'_> {
    /// Session windows of event time.
    pub(super) fn sessions(&mut self, random: &mut Random, time: &Time) {
        let Time {
            column: time,
            behind,
            ..
        } = time;
        let seconds = [1, 3, 10, 60, 97][random.below(5)];
        let gap = seconds * SECOND;
        let keys = ["k", "g", "label"].into_iter();
        let keys = keys.filter(|key| self.source.columns.iter().any(|column| column.name == *key));
        let keys: Vec<&str> = keys.filter(|_| random.below(2) == 0).collect();
        let by = match keys.as_slice() {
            [] => String::new(),
            [only] if random.below(2) == 0 => format!(" PARTITION BY {only}"),
            all => format!(" PARTITION BY ({})", all.join(", ")),
        };
        let name = &self.source.name;
        self.from = format!("SESSION({name}{by}, {time}, INTERVAL '{seconds} seconds') s");
        let micros = format!("arrow_cast({time}, 'Int64')");
        let is_judged = matches!(
            self.source.nature,
            Nature::Stream {
                is_judged: true,
                ..
            }
        );
        if is_judged {
            let late = format!("coalesce({micros} < _watermark, false)");
            self.ahead = Some(format!("(NOT {late} AND {micros} > _limit)"));
            self.late = Some(late);
        }
        let own = match keys.is_empty() {
            true => String::new(),
            false => format!("PARTITION BY {}", keys.join(", ")),
        };
        let session = match keys.is_empty() {
            true => "PARTITION BY _session".to_owned(),
            false => format!("{own}, _session"),
        };
        for bound in ["window_start", "window_end"] {
            self.group_by.push(bound.to_owned());
            if random.below(5) > 0 {
                self.select((bound.to_owned(), bound.to_owned()), Kind::Time);
            }
        }
        for key in keys {
            let kind = self.source.columns.iter().find(|column| column.name == key);
            if let (Some(column), true) = (kind, random.below(5) > 0) {
                self.select((key.to_owned(), key.to_owned()), column.kind);
            }
            self.group_by.push(key.to_owned());
        }
        self.calls(random);
        self.in_sessions(&micros, (&own, &session), gap);
        // Sessions that are still open are not told.
        self.found.push(format!("_end <= {}", behind.reached()));
        self.nature = Nature::Stream {
            time: None,
            is_judged: false,
        };
        self.emit = " EMIT ON WINDOW CLOSE".to_owned();
    }

    /// The plain rows with the bounds of their sessions.
    fn in_sessions(&mut self, micros: &str, (own, session): (&str, &str), gap: i64) {
        let name = &self.source.name;
        // A row that is set aside is in no session.
        let not = [&self.late, &self.ahead].into_iter().flatten();
        let not = not.chain(&self.fails);
        let taken: Vec<String> = not
            .map(|one| format!("NOT coalesce({one}, false)"))
            .collect();
        let taken = match taken.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", taken.join(" AND ")),
        };
        let shown =
            |sql: &str| format!("arrow_cast({sql}, 'Timestamp(Microsecond, Some(\"UTC\"))')");
        self.counted_from = Some(name.clone());
        self.from_plain = format!(
            "(SELECT *, {} AS window_start, {} AS window_end FROM \
             (SELECT *, min(_at) OVER ({session}) AS _start, max(_at) OVER ({session}) + {gap} AS _end FROM \
             (SELECT *, count(_begins) OVER ({own} ORDER BY _at RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS _session FROM \
             (SELECT *, CASE WHEN _at - lag(_at) OVER ({own} ORDER BY _at) < {gap} THEN NULL ELSE 1 END AS _begins FROM \
             (SELECT *, {micros} AS _at FROM {name}{taken})))))",
            shown("_start"),
            shown("_end"),
        );
    }

    /// Opens windows, here and there; gives their length in µs.
    fn open(&mut self, random: &mut Random, (time, micros): (&str, &str)) -> i64 {
        let slide = [1, 10, 60, 97, 600, 3_600][random.below(6)];
        let offset = [0, 0, 7][random.below(3)];
        let (kind, panes) = match random.below(5) {
            0 => ("HOP", [1, 2, 5, 30][random.below(4)]),
            1 => ("CUMULATE", [1, 2, 5, 30][random.below(4)]),
            _ => ("TUMBLE", 1),
        };
        let (size, slide_us, offset_us) = (slide * panes * SECOND, slide * SECOND, offset * SECOND);
        let slide = match kind {
            "TUMBLE" => String::new(),
            _ => format!("INTERVAL '{slide} seconds', "),
        };
        let shift = match offset {
            0 => String::new(),
            _ => format!(", INTERVAL '{offset} seconds'"),
        };
        let (name, seconds) = (&self.source.name, size / SECOND);
        self.from = format!("{kind}({name}, {time}, {slide}INTERVAL '{seconds} seconds'{shift}) s");
        let begin =
            |of: i64| format!("({micros} - ((({micros} - {offset_us}) % {of}) + {of}) % {of})");
        // Each row stands once for each window; `_last` is the end of the last one of its row.
        let (start, end, last, once) = match kind {
            "CUMULATE" => (
                begin(size),
                format!("{} + (_window + 1) * {slide_us}", begin(size)),
                format!("{} + {size}", begin(size)),
                panes - 1,
            ),
            _ => (
                format!("{} - _window * {slide_us}", begin(slide_us)),
                format!("{} - _window * {slide_us} + {size}", begin(slide_us)),
                format!("{} + {size}", begin(slide_us)),
                0,
            ),
        };
        let shown =
            |sql: &str| format!("arrow_cast({sql}, 'Timestamp(Microsecond, Some(\"UTC\"))')");
        self.from_plain = format!(
            "(SELECT *, {} AS window_start, {} AS window_end FROM \
             (SELECT *, {start} AS _start, {end} AS _end, {last} AS _last \
             FROM {name} CROSS JOIN generate_series(0, {}) AS numbers(_window)) WHERE _end > {micros})",
            shown("_start"),
            shown("_end"),
            panes - 1,
        );
        self.once = Some(format!("_window = {once}"));
        size
    }

    /// Windows of event time.
    pub(super) fn windows(&mut self, random: &mut Random, time: &Time) {
        let Time {
            column: time,
            behind,
            ..
        } = time;
        let micros = format!("arrow_cast({time}, 'Int64')");
        let size = self.open(random, (time, &micros));
        self.narrow(random);
        let is_update = random.below(4) == 0;
        let corrections = match is_update {
            true => 0,
            false => [0, 0, 60, 600][random.below(4)],
        };
        let keep = corrections * SECOND;
        if matches!(
            self.source.nature,
            Nature::Stream {
                is_judged: true,
                ..
            }
        ) {
            let late = |end: &str| format!("coalesce({end} <= _watermark - {keep}, false)");
            self.ahead = Some(format!("(NOT {} AND {micros} > _limit)", late("_last")));
            self.late = Some(late("_last"));
            self.late_there = Some(late("_end"));
        }
        let bounds = ["window_start", "window_end"];
        for bound in bounds {
            self.group_by.push(bound.to_owned());
            if random.below(5) > 0 {
                self.select((bound.to_owned(), bound.to_owned()), Kind::Time);
            }
        }
        for _ in 0..random.below(3) {
            self.group(random);
        }
        self.calls(random);
        if is_update {
            self.emit = every(random);
            return;
        }
        // Windows that are still open are not told.
        self.found.push(format!("_end <= {}", behind.reached()));
        if corrections == 0 {
            let starts = self
                .items
                .iter()
                .position(|(sql, ..)| sql == "window_start");
            let time = starts.map(|at| Time {
                column: self.column_name(at),
                behind: behind.more(size),
                own: size,
            });
            self.nature = Nature::Stream {
                time,
                is_judged: false,
            };
            self.emit = " EMIT ON WINDOW CLOSE".to_owned();
        } else {
            self.emit = format!(
                " EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '{corrections} seconds'"
            );
        }
    }
}
