//! Which column everything is in, and what passes columns on its way.

/// Columns of a picture.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    /// Of each spot: cards first, then the places where lines pass columns.
    layer: Vec<usize>,
    /// Of each line: its spots, from where it begins to where it ends. Empty if it leads back.
    pub(super) ways: Vec<Vec<usize>>,
    before: Vec<Vec<usize>>,
    behind: Vec<Vec<usize>>,
}

impl Layers {
    /// Columns of so many cards.
    pub(super) fn of(cards: usize, edges: &[(usize, usize)]) -> Self {
        let forward = |(from, to): &&(usize, usize)| from != to && *from < cards && *to < cards;
        let mut layer = vec![0_usize; cards];
        // The longest way to each: a round per column; more rounds than cards mean a circle.
        for _ in 0..cards {
            let mut is_settled = true;
            for (from, to) in edges.iter().filter(forward) {
                let least = layer[*from] + 1;
                if layer[*to] < least && least < cards {
                    layer[*to] = least;
                    is_settled = false;
                }
            }
            if is_settled {
                break;
            }
        }
        // What nothing leads to stands just before what it leads to.
        for card in 0..cards {
            let leads_here = edges.iter().filter(forward).any(|(_, to)| *to == card);
            let next = edges
                .iter()
                .filter(forward)
                .filter(|(from, _)| *from == card);
            let next = next.map(|(_, to)| layer[*to]).min();
            if let (false, Some(next)) = (leads_here, next) {
                layer[card] = next.saturating_sub(1);
            }
        }
        let mut layers = Self {
            layer,
            ways: Vec::new(),
            before: Vec::new(),
            behind: Vec::new(),
        };
        layers.ways = edges
            .iter()
            .map(|(from, to)| layers.way(cards, *from, *to))
            .collect();
        layers.before = vec![Vec::new(); layers.layer.len()];
        layers.behind = layers.before.clone();
        for way in &layers.ways {
            for pair in way.windows(2) {
                if let [from, to] = *pair {
                    layers.behind[from].push(to);
                    layers.before[to].push(from);
                }
            }
        }
        layers
    }

    fn way(&mut self, cards: usize, from: usize, to: usize) -> Vec<usize> {
        if from >= cards || to >= cards || self.layer[from] >= self.layer[to] {
            return Vec::new();
        }
        let mut way = vec![from];
        for passed in self.layer[from] + 1..self.layer[to] {
            way.push(self.layer.len());
            self.layer.push(passed);
        }
        way.push(to);
        way
    }

    /// How many spots there are.
    pub(super) fn spots(&self) -> usize {
        self.layer.len()
    }

    /// The column of a spot.
    pub(super) fn layer_of(&self, spot: usize) -> usize {
        self.layer[spot]
    }

    /// The spots of every column, in the order of their numbers.
    pub(super) fn columns(&self) -> Vec<Vec<usize>> {
        let count = self.layer.iter().max().map_or(0, |most| most + 1);
        let mut columns = vec![Vec::new(); count];
        for (spot, layer) in self.layer.iter().enumerate() {
            columns[*layer].push(spot);
        }
        columns
    }

    /// What leads to a spot from the column before.
    pub(super) fn before(&self, spot: usize) -> &[usize] {
        &self.before[spot]
    }

    /// What a spot leads to in the next column.
    pub(super) fn behind(&self, spot: usize) -> &[usize] {
        &self.behind[spot]
    }

    /// Both.
    pub(super) fn neighbours(&self, spot: usize) -> Vec<usize> {
        let both = self.before(spot).iter().chain(self.behind(spot));
        both.copied().collect()
    }
}
