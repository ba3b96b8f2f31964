//! The least event time of several streams in SQL, as `Moment::smallest` of what runs views has it. It never
//! says what is known of a stream (`event_time`).
//!
//! One that rests and has never had a row counts for what it would have rested by then, and never for more
//! than the furthest of the others has really come; how much of that is left behind its first row is the
//! `lift` of a view above, too. So views are asked one by one, from the streams up, each in a layer:
//!
//! ```text
//! beside   greatest(own, least(lift, furthest)) of each             furthest: the greatest of their own
//! own      the least of these                                       NULL if one is
//! lift     the least of greatest(own, lift) of each                 where one of them rests
//! ```

use super::event_time::EventTime;

/// What is read, down to the streams.
#[derive(Debug)]
pub(super) enum Below {
    /// The stream of that number, so many µs behind its greatest time.
    Stream(usize, i128),
    /// So many µs behind the last of all.
    Least(Vec<Below>, i128),
}

impl Below {
    /// How far it is behind the streams, the longest way.
    pub(super) fn behind_us(&self) -> i128 {
        match self {
            Self::Stream(_, behind_us) => *behind_us,
            Self::Least(all, behind_us) => {
                let most = all.iter().map(Self::behind_us).max().unwrap_or(0);
                behind_us.saturating_add(most)
            }
        }
    }

    fn below(&self) -> Vec<&Self> {
        match self {
            Self::Stream(..) => Vec::new(),
            Self::Least(all, _) => all.iter().collect(),
        }
    }

    /// Whether there is one way down.
    pub(super) fn is_chain(&self) -> bool {
        match self {
            Self::Stream(..) => true,
            Self::Least(all, _) => matches!(all.as_slice(), [only] if only.is_chain()),
        }
    }
}

/// How far one of them is, in SQL.
#[derive(Clone, Debug)]
struct Marks {
    own: String,
    /// What it counts as beside others, if one of its streams rests.
    lift: Option<String>,
}

/// A relation that gets more columns, layer by layer.
pub(super) struct Layers {
    from: String,
    columns: Vec<String>,
    count: usize,
}

impl Layers {
    /// Over what FROM has, with these columns.
    pub(super) fn over(from: String, columns: Vec<String>) -> Self {
        Self {
            from,
            columns,
            count: 0,
        }
    }

    /// As FROM has it.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// Adds how far event time of what is read is; gives the column.
    pub(super) fn least(&mut self, below: &Below, streams: &[EventTime<'_>]) -> String {
        let found = self.all(&[below], streams).into_iter().next();
        found.map_or_else(|| "NULL".to_owned(), |marks| marks.own)
    }

    /// The columns of several, those below them first: as many layers as views stand upon each other.
    fn all(&mut self, several: &[&Below], streams: &[EventTime<'_>]) -> Vec<Marks> {
        let lower: Vec<&Below> = several.iter().flat_map(|one| one.below()).collect();
        let mut lower = match lower.is_empty() {
            true => Vec::new(),
            false => self.all(&lower, streams),
        };
        let mut groups = Vec::with_capacity(several.len());
        for one in several {
            let rest = lower.split_off(one.below().len());
            groups.push(std::mem::replace(&mut lower, rest));
        }
        let groups = self.beside(groups);
        let mut values = Vec::new();
        for (one, group) in several.iter().zip(groups) {
            let (value, behind_us) = match one {
                Below::Stream(number, behind_us) => {
                    let stream = streams.get(*number);
                    let value = stream.map(|stream| Marks {
                        own: stream.reached(*number, "_millis"),
                        lift: stream.unseen(*number, "_millis"),
                    });
                    (value, behind_us)
                }
                Below::Least(_, behind_us) => (Some(least(&group)), behind_us),
            };
            values.extend(value.map(|value| value.behind(*behind_us)));
        }
        self.add_all("reached", values)
    }

    /// Each of a group as it is beside the others; those of which no one rests are what they are.
    fn beside(&mut self, groups: Vec<Vec<Marks>>) -> Vec<Vec<Marks>> {
        let rests =
            |group: &&Vec<Marks>| group.len() > 1 && group.iter().any(|one| one.lift.is_some());
        let resting = groups.iter().filter(rests);
        let furthest = resting.map(|group| Marks {
            own: call("greatest", group.iter().map(|one| &one.own)),
            lift: None,
        });
        let mut furthest = self.add_all("furthest", furthest.collect()).into_iter();
        let mut values = Vec::new();
        for group in groups.iter().filter(rests) {
            let furthest = furthest.next().map_or_else(String::new, |marks| marks.own);
            values.extend(group.iter().map(|one| one.beside(&furthest)));
        }
        let mut added = self.add_all("beside", values).into_iter();
        let groups = groups.into_iter().map(|group| match rests(&&group) {
            true => added.by_ref().take(group.len()).collect(),
            false => group,
        });
        groups.collect()
    }

    /// Adds columns; gives their names.
    fn add_all(&mut self, name: &str, values: Vec<Marks>) -> Vec<Marks> {
        if values.is_empty() {
            return values;
        }
        self.count = self.count.saturating_add(1);
        let count = self.count;
        let mut items = self.columns.clone();
        let mut put = |value: String, of: String| {
            items.push(format!("{value} AS {of}"));
            self.columns.push(of.clone());
            of
        };
        let all = values
            .into_iter()
            .enumerate()
            .map(|(at, Marks { own, lift })| Marks {
                own: put(own, format!("_{name}{count}_{at}")),
                lift: lift.map(|lift| put(lift, format!("_{name}{count}_{at}_lift"))),
            });
        let all: Vec<Marks> = all.collect();
        self.from = format!(
            "(SELECT {} FROM {}) AS layer{count}",
            items.join(", "),
            self.from
        );
        all
    }
}

impl Marks {
    /// So many µs behind.
    fn behind(self, behind_us: i128) -> Self {
        let less = |value: String| format!("{value} - {behind_us}");
        Self {
            own: less(self.own),
            lift: self.lift.map(less),
        }
    }

    /// How far one is beside others, of which the furthest is so far. The functions pass over NULL.
    fn beside(&self, furthest: &str) -> Self {
        let Self { own, lift } = self;
        match lift {
            None => Self {
                own: own.clone(),
                lift: Some(own.clone()),
            },
            Some(lift) => Self {
                own: format!(
                    "CASE WHEN {lift} IS NULL OR {furthest} IS NULL THEN {own} \
                     ELSE greatest({own}, least({lift}, {furthest})) END"
                ),
                lift: Some(format!("greatest({own}, {lift})")),
            },
        }
    }
}

/// The least of a group; NULL if one is.
fn least(group: &[Marks]) -> Marks {
    let of = |columns: Vec<&String>| match columns.as_slice() {
        [only] => (*only).clone(),
        all => {
            let unknown = all.iter().map(|column| format!("{column} IS NULL"));
            let unknown = unknown.collect::<Vec<_>>().join(" OR ");
            let least = call("least", all.iter().copied());
            format!("CASE WHEN {unknown} THEN NULL ELSE {least} END")
        }
    };
    let lifts: Option<Vec<&String>> = group.iter().map(|one| one.lift.as_ref()).collect();
    Marks {
        own: of(group.iter().map(|one| &one.own).collect()),
        lift: lifts.map(of),
    }
}

fn call<'a>(function: &str, args: impl Iterator<Item = &'a String>) -> String {
    let args: Vec<&str> = args.map(String::as_str).collect();
    format!("{function}({})", args.join(", "))
}
