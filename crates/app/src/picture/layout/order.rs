//! In which order the spots of a column stand: by the means of their neighbours, there and back, and
//! the order with the fewest crossings is taken.

use super::layers::Layers;

/// How often it goes there and back.
const ROUNDS: usize = 12;

/// The columns, each in its order.
pub(super) fn ordered(layers: &Layers) -> Vec<Vec<usize>> {
    let mut columns = layers.columns();
    let mut best = columns.clone();
    let mut fewest = crossings(&columns, layers);
    for round in 0..ROUNDS {
        if fewest == 0 {
            break;
        }
        let is_forward = round % 2 == 0;
        let count = columns.len();
        for step in 1..count {
            let (index, fixed) = match is_forward {
                true => (step, step - 1),
                false => (count - 1 - step, count - step),
            };
            let places = places(&columns[fixed], layers);
            let mean = |spot: &usize| {
                let near = match is_forward {
                    true => layers.before(*spot),
                    false => layers.behind(*spot),
                };
                let sum: usize = near.iter().map(|other| places[*other]).sum();
                // Without neighbours it stays about where it is.
                near.len()
                    .checked_sub(1)
                    .map(|_| sum as f64 / near.len() as f64)
            };
            let column = &columns[index];
            let mut keyed: Vec<(f64, usize)> = column
                .iter()
                .enumerate()
                .map(|(place, spot)| (mean(spot).unwrap_or(place as f64), *spot))
                .collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            columns[index] = keyed.into_iter().map(|(_, spot)| spot).collect();
        }
        let found = crossings(&columns, layers);
        if found < fewest {
            fewest = found;
            best.clone_from(&columns);
        }
    }
    best
}

/// Of each spot, its place in its column.
fn places(column: &[usize], layers: &Layers) -> Vec<usize> {
    let mut places = vec![0; layers.spots()];
    for (place, spot) in column.iter().enumerate() {
        places[*spot] = place;
    }
    places
}

/// How often lines cross between columns.
pub(super) fn crossings(columns: &[Vec<usize>], layers: &Layers) -> usize {
    let between = columns.windows(2).map(|pair| {
        let [left, right] = pair else { return 0 };
        let places = places(right, layers);
        let lines = left.iter().enumerate().flat_map(|(place, spot)| {
            let ends = layers.behind(*spot).iter();
            ends.map(move |end| (place, *end))
        });
        let lines: Vec<(usize, usize)> = lines.map(|(place, end)| (place, places[end])).collect();
        let crossed = lines.iter().enumerate().map(|(at, (from, to))| {
            let others = lines.iter().skip(at + 1);
            let crosses = others.filter(|(a, b)| (a > from && b < to) || (a < from && b > to));
            crosses.count()
        });
        crossed.sum()
    });
    between.sum()
}
