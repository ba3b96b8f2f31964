//! Where cards stand: in columns from left to right, each behind all that leads to it, in an order
//! and at heights that keep lines short and seldom crossed. It knows sizes and nothing of what is
//! drawn.
//!
//! Source: Sugiyama, Tagawa, Toda, "Methods for Visual Understanding of Hierarchical System
//! Structures", 1981: layers by the longest way, lines cut where they pass a layer, order by means
//! of neighbours. Heights: each layer is moved to the means of its neighbours, once from above and
//! once from below; the mean of both keeps the gaps that both keep.

mod layers;
mod order;

use layers::Layers;

/// Between columns.
pub(super) const GAP_X: f64 = 88.0;
/// Between cards of a column.
const GAP_Y: f64 = 26.0;
/// How often heights are improved.
const ROUNDS: usize = 16;
/// Lines that pass a column keep so much from what stands there.
const PASSING: f64 = 10.0;

/// Width and height of a card.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A point of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// Where everything stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// The upper left corner of each card.
    pub(super) cards: Vec<Point>,
    /// The points of each line, in pairs: it curves between a pair's last and the next pair's first.
    pub(super) lines: Vec<Vec<Point>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Something that has a place in a column: a card, or a line that passes.
#[derive(Clone, Copy, Debug)]
struct Spot {
    size: Size,
    x: f64,
    y: f64,
}

/// Places cards of these sizes, joined by lines from one to another. Lines that would lead back are
/// left out of what decides.
pub(super) fn layout(sizes: &[Size], edges: &[(usize, usize)]) -> Layout {
    let layers = Layers::of(sizes.len(), edges);
    let columns = order::ordered(&layers);
    let passing = Size {
        width: 0.0,
        height: PASSING,
    };
    let size_of = |spot: usize| sizes.get(spot).copied().unwrap_or(passing);
    let mut spots: Vec<Spot> = (0..layers.spots())
        .map(|spot| Spot {
            size: size_of(spot),
            x: 0.0,
            y: 0.0,
        })
        .collect();
    let widths = across(&columns, &mut spots);
    along(&columns, &layers, &mut spots);
    finish(sizes.len(), &layers, &spots, &widths)
}

/// Gives every spot its place from left to right; returns where columns begin and end.
fn across(columns: &[Vec<usize>], spots: &mut [Spot]) -> Vec<(f64, f64)> {
    let mut left = 0.0;
    let mut widths = Vec::new();
    for column in columns {
        let all = column.iter().map(|spot| spots[*spot].size.width);
        let width = all.fold(0.0, f64::max);
        for spot in column {
            let spot = &mut spots[*spot];
            spot.x = left + (width - spot.size.width) / 2.0;
        }
        widths.push((left, left + width));
        left += width + GAP_X;
    }
    widths
}

/// Gives every spot its height.
fn along(columns: &[Vec<usize>], layers: &Layers, spots: &mut [Spot]) {
    for column in columns {
        let mut top = 0.0;
        for spot in column {
            spots[*spot].y = top;
            top += spots[*spot].size.height + GAP_Y;
        }
    }
    for round in 0..ROUNDS {
        let forward = round % 2 == 0;
        let mut indices: Vec<usize> = (0..columns.len()).collect();
        if !forward {
            indices.reverse();
        }
        for index in indices {
            settle(&columns[index], layers, spots);
        }
    }
    let top = spots.iter().map(|spot| spot.y).fold(f64::MAX, f64::min);
    spots.iter_mut().for_each(|spot| spot.y -= top);
}

/// Moves a column to where its neighbours are, as far as there is room.
fn settle(column: &[usize], layers: &Layers, spots: &mut [Spot]) {
    let wanted: Vec<f64> = column
        .iter()
        .map(|spot| {
            let near = layers.neighbours(*spot);
            let own = &spots[*spot];
            match near.len() {
                0 => own.y,
                count => {
                    let sum: f64 = near.iter().map(|other| middle(&spots[*other])).sum();
                    sum / count as f64 - own.size.height / 2.0
                }
            }
        })
        .collect();
    let heights: Vec<f64> = column.iter().map(|spot| spots[*spot].size.height).collect();
    let mut from_above = wanted.clone();
    for index in 1..column.len() {
        let free = from_above[index - 1] + heights[index - 1] + GAP_Y;
        from_above[index] = from_above[index].max(free);
    }
    let mut from_below = wanted;
    for index in (1..column.len()).rev() {
        let free = from_below[index] - GAP_Y - heights[index - 1];
        from_below[index - 1] = from_below[index - 1].min(free);
    }
    for (index, spot) in column.iter().enumerate() {
        spots[*spot].y = (from_above[index] + from_below[index]) / 2.0;
    }
}

fn middle(spot: &Spot) -> f64 {
    spot.y + spot.size.height / 2.0
}

fn finish(cards: usize, layers: &Layers, spots: &[Spot], widths: &[(f64, f64)]) -> Layout {
    let lines = layers.ways.iter().map(|way| {
        let mut points = Vec::new();
        for (place, spot) in way.iter().enumerate() {
            let Spot { size, x, .. } = spots[*spot];
            let y = middle(&spots[*spot]);
            if *spot < cards {
                let x = if place == 0 { x + size.width } else { x };
                points.push(Point { x, y });
            } else {
                let (left, right) = widths[layers.layer_of(*spot)];
                points.extend([Point { x: left, y }, Point { x: right, y }]);
            }
        }
        points
    });
    let lines = spread(layers, spots, lines.collect());
    let right = widths.iter().map(|(_, right)| *right).fold(0.0, f64::max);
    let bottom = spots.iter().map(|spot| spot.y + spot.size.height);
    Layout {
        cards: spots
            .iter()
            .take(cards)
            .map(|spot| Point {
                x: spot.x,
                y: spot.y,
            })
            .collect(),
        lines,
        width: right,
        height: bottom.fold(0.0, f64::max),
    }
}

/// Lines that leave or reach the same card do so side by side, in the order of their other ends.
fn spread(layers: &Layers, spots: &[Spot], mut lines: Vec<Vec<Point>>) -> Vec<Vec<Point>> {
    for is_leaving in [true, false] {
        for (card, spot) in spots.iter().enumerate() {
            let end = |way: &Vec<usize>| match is_leaving {
                true => way.first().copied(),
                false => way.last().copied(),
            };
            let ways = layers.ways.iter().enumerate();
            let at_card = ways.filter(|(_, way)| way.len() > 1 && end(way) == Some(card));
            let mut here: Vec<usize> = at_card.map(|(line, _)| line).collect();
            let next = |line: &usize| {
                let points = &lines[*line];
                let other = if is_leaving { 1 } else { points.len() - 2 };
                points[other].y
            };
            here.sort_by(|a, b| next(a).total_cmp(&next(b)));
            let step = (spot.size.height / (here.len() as f64 + 1.0)).min(14.0);
            for (place, line) in here.iter().enumerate() {
                let offset = (place as f64 - (here.len() as f64 - 1.0) / 2.0) * step;
                let points = &mut lines[*line];
                let own = if is_leaving { 0 } else { points.len() - 1 };
                points[own].y += offset;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests;
