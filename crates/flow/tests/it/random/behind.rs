//! How far event time of a relation is behind that of the streams, along whatever chain of views.

/// Of each stream, in µs, how far the watermark of what reads a relation is behind that of the stream:
/// `None` if it does not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Behind([Option<i64>; 2]);

impl Behind {
    /// A stream itself.
    pub(super) fn stream(number: usize) -> Self {
        let mut all = [None; 2];
        all[number] = Some(0);
        Self(all)
    }

    /// So much more.
    pub(super) fn more(self, us: i64) -> Self {
        Self(self.0.map(|behind| Some(behind? + us)))
    }

    /// As far as the last of both.
    pub(super) fn beside(self, other: Self) -> Self {
        let [mine, theirs] = [self.0, other.0];
        Self([0, 1].map(|stream| mine[stream].max(theirs[stream])))
    }

    /// How far event time is by now.
    pub(super) fn reached(self) -> String {
        let each = self.each(":watermark");
        match each.as_slice() {
            [only] => only.clone(),
            all => format!("least({})", all.join(", ")),
        }
    }

    /// How far it was when a row came; NULL while one of the streams has had none.
    pub(super) fn of_row(self) -> String {
        let each = self.each("_watermark");
        match each.as_slice() {
            [only] => only.clone(),
            all => {
                let unknown: Vec<String> = all.iter().map(|one| format!("{one} IS NULL")).collect();
                let (unknown, all) = (unknown.join(" OR "), all.join(", "));
                format!("CASE WHEN {unknown} THEN NULL ELSE least({all}) END")
            }
        }
    }

    fn each(self, name: &str) -> Vec<String> {
        let all = self.0.iter().enumerate();
        let all = all.filter_map(|(stream, behind)| {
            behind.map(|behind| format!("({name}{stream} - {behind})"))
        });
        all.collect()
    }
}
