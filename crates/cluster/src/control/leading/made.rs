//! What of the streams has been read by whoever reads what others made of them.

use std::collections::BTreeMap;

use mainstem_kernel::{Offsets, StreamId};

use super::{
    super::{Part, TopicOf, claims::Claims},
    Leading,
    sight::Sight,
};
use crate::progress::Query;

impl Leading {
    /// Whoever has read up to `read` of topics stands for as much as all of them were made of.
    pub(super) fn reach(
        &self,
        claims: &mut Claims,
        (inputs, read): (&[TopicOf], &Offsets),
        sight: &Sight,
    ) {
        let (mut end, mut made) = (Offsets::default(), Vec::new());
        for input in inputs {
            match self.made_of(*input) {
                Some(MadeOf::Itself) => made.push(of(read, input.0)),
                Some(MadeOf::Others(places)) => {
                    let ends = sight.ends.get(input).cloned();
                    end.join(&ends.unwrap_or_default());
                    made.push(places);
                }
                // Nothing is known of who makes it.
                None => return claims.read(read),
            }
        }
        // What has made nothing yet may be behind all.
        let is_known = made.iter().all(|places| places.iter().next().is_some());
        if is_known || made.len() == 1 {
            claims.claim(end, least(&made));
        }
        claims.read(read);
    }

    fn made_of(&self, input: TopicOf) -> Option<MadeOf> {
        let (id, part) = input;
        let view = self.queries.get(&Query::View(id));
        match (part, self.workers.get(&input), view) {
            (Part::Rows, _, Some(view)) => Some(MadeOf::Others(view.claims.reached.clone())),
            (Part::Rows, _, None) => Some(MadeOf::Itself),
            (_, Some(worker), _) => Some(MadeOf::Others(worker.reached.clone())),
            (_, None, _) => None,
        }
    }
}

/// What the rows of a topic were made of.
enum MadeOf {
    /// It is a stream's: its own places count.
    Itself,
    /// These places of streams.
    Others(Offsets),
}

/// The places of one object.
fn of(places: &Offsets, id: StreamId) -> Offsets {
    let mut found = Offsets::default();
    for (_, partition, next) in places.iter().filter(|(stream, ..)| *stream == id) {
        found.reach(id, partition, next);
    }
    found
}

/// The places that all are at which know them.
fn least(all: &[Offsets]) -> Offsets {
    let mut least = BTreeMap::new();
    for (id, partition, next) in all.iter().flat_map(Offsets::iter) {
        let known = least.entry((id, partition)).or_insert(next);
        *known = next.min(*known);
    }
    let mut places = Offsets::default();
    for ((id, partition), next) in least {
        places.reach(id, partition, next);
    }
    places
}

#[cfg(test)]
mod tests {
    use mainstem_kernel::{Offset, PartitionId};

    use super::*;

    fn places(list: &[(u32, u64)]) -> Offsets {
        let mut places = Offsets::default();
        for (id, next) in list {
            places.reach(StreamId(*id), PartitionId(0), Offset(*next));
        }
        places
    }

    #[test]
    fn a_stream_that_is_read_twice_is_reached_where_both_have_come() {
        let one = places(&[(16, 100), (17, 5)]);
        let other = places(&[(16, 40), (18, 7)]);
        let all = least(&[one.clone(), other]);
        assert_eq!(all, places(&[(16, 40), (17, 5), (18, 7)]));
        assert_eq!(of(&one, StreamId(17)), places(&[(17, 5)]));
    }
}
