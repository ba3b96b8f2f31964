//! What a view keeps, as EXPLAIN says it, and all that was decided of it as text.

use std::time::Duration;

use mainstem_catalog::Emit;

use super::{
    Figure, Input, Node, Pairs, PlannedView, StateKind, StateNote, WindowKind, lineage,
    node::{Call, Function, Near, PairsKind, Rank, Running, buckets},
    relation::Known,
};
use crate::{
    declare::{emit_text, span_text},
    pattern::{Program, ROWS_MAX},
};

/// Notes of all state, from the inputs up, each with the place of its operator: an operator comes
/// after its inputs. `named` are the inputs by their index.
pub(crate) fn notes(plan: &Node, emit: Emit, named: &[Known]) -> Vec<(usize, StateNote)> {
    let mut noted = Vec::new();
    walk(plan, &mut 0, &mut |place, node| {
        noted.extend(note(node, emit, named).map(|note| (place, note)));
    });
    noted
}

fn walk(node: &Node, next: &mut usize, visit: &mut dyn FnMut(usize, &Node)) {
    let changes = matches!(node, Node::Pairs(pairs) if pairs.near().is_none());
    for input in node.inputs() {
        match changes {
            // A join of rows that change says for both sides what is kept of them.
            true => walk(input, next, &mut |place, node| {
                if matches!(node, Node::Pairs(_)) {
                    visit(place, node);
                }
            }),
            false => walk(input, next, visit),
        }
    }
    visit(*next, node);
    *next = next.saturating_add(1);
}

fn note(node: &Node, emit: Emit, named: &[Known]) -> Option<StateNote> {
    match node {
        Node::Lookup { table, .. } => {
            let table = named.get(*table)?;
            let ttl = table.table.as_ref().and_then(|def| def.spec.ttl);
            let ttl = ttl.map(|ttl| format!(", each for {}", span_text(ttl)));
            Some(StateNote {
                operator: format!("lookup of {}", table.label()),
                kind: StateKind::Lookup,
                bound: format!("the rows of the table{}", ttl.unwrap_or_default()),
            })
        }
        Node::Aggregate {
            window: Some(_),
            calls,
            ..
        } => Some(StateNote {
            operator: grouped(node),
            kind: StateKind::Panes,
            bound: panes(node, emit, named) + &sketched(calls),
        }),
        Node::Aggregate { calls, .. } => Some(StateNote {
            operator: grouped(node),
            kind: StateKind::Rows,
            bound: rows(calls, &sources(node, named)),
        }),
        Node::Rank(rank) => Some(ranked(node, rank, (emit, named))),
        Node::Running(running) => Some(running_note(node, running, named)),
        Node::Source { input, .. } => {
            let known = named.get(*input)?;
            let keeps = !known.input.is_append_only();
            keeps.then(|| StateNote {
                operator: format!("rows of {}", known.label()),
                kind: StateKind::Rows,
                bound: "one row per row that it reads".to_owned(),
            })
        }
        Node::Pairs(pairs) => Some(match &pairs.kind {
            PairsKind::Near(near) => StateNote {
                operator: "rows that wait for others".to_owned(),
                kind: StateKind::Panes,
                bound: waiting((pairs, near), named),
            },
            PairsKind::Changing { .. } => StateNote {
                operator: "pairs of rows".to_owned(),
                kind: StateKind::Rows,
                bound: "every row of both sides, and one row per pair".to_owned(),
            },
        }),
        Node::Filter { .. } | Node::Project { .. } | Node::Union { .. } | Node::Window { .. } => {
            None
        }
    }
}

/// How long rows of both sides are kept.
fn waiting((pairs, near): (&Pairs, &Near), named: &[Known]) -> String {
    let side = |side: &Node, reach_us: i64| {
        let labels: Vec<String> = sources(side, named).iter().map(|k| k.label()).collect();
        format!("of {} by {}", labels.join(" and "), micros(reach_us))
    };
    let (left, right) = near.reach_us();
    format!(
        "each until the watermark has passed it: {}, {}",
        side(&pairs.left, left),
        side(&pairs.right, right)
    )
}

/// What an operator's rows come from.
fn sources<'a>(node: &Node, named: &'a [Known]) -> Vec<&'a Known> {
    let sources = node.sources().into_iter();
    sources.filter_map(|input| named.get(input)).collect()
}

/// "groups of (country, window_start, window_end)".
fn grouped(node: &Node) -> String {
    let Node::Aggregate { keys, schema, .. } = node else {
        return String::new();
    };
    let fields = schema.fields().iter().take(keys.len());
    let names: Vec<&str> = fields.map(|field| field.name().as_str()).collect();
    format!("groups of ({})", names.join(", "))
}

fn micros(count: i64) -> String {
    span_text(Duration::from_micros(u64::try_from(count).unwrap_or(0)))
}

/// How far the watermark of an operator's rows is behind the greatest time of the streams.
fn delay(node: &Node, named: &[Known]) -> String {
    let sources = sources(node, named).into_iter();
    let delay = sources.map(|known| known.behind).max();
    span_text(delay.unwrap_or_default())
}

fn panes(node: &Node, emit: Emit, named: &[Known]) -> String {
    let Some(Node::Window { windows, .. }) = lineage::window(node) else {
        return String::new();
    };
    let delay = delay(node, named);
    let (size, slide) = (micros(windows.size_us), micros(windows.slide_us));
    let is_update = matches!(emit, Emit::OnUpdate { .. });
    let kept = match (windows.kind, is_update) {
        (WindowKind::Session, _) => {
            return format!(
                "sessions: one row per key and {size} that it is open, until the watermark \
                 ({delay} behind) is {size} behind its last row"
            );
        }
        (WindowKind::Tumbling, _) => format!("windows of {size}"),
        (WindowKind::Hopping, true) => format!("windows of {size} every {slide}"),
        (WindowKind::Cumulating, true) => {
            format!("windows of up to {size} in steps of {slide}")
        }
        (WindowKind::Hopping, false) => format!("panes of {slide} for windows of {size}"),
        (WindowKind::Cumulating, false) => {
            format!("panes of {slide} for windows of up to {size}")
        }
    };
    let end = match windows.kind.overlaps() && !is_update {
        true => "the end of its last window",
        false => "its end",
    };
    let mut bound = format!("{kept}, each until the watermark ({delay} behind) passes {end}");
    match emit {
        Emit::OnWindowClose {
            corrections: Some(span),
        } => bound.push_str(&format!(" by {}", span_text(span))),
        Emit::OnUpdate { .. } => bound.push_str("; the view keeps the rows of all windows"),
        Emit::OnWindowClose { corrections: None } | Emit::Append => {}
    }
    bound
}

/// Names of columns at some places.
fn names(places: &[usize], node: &Node) -> String {
    let fields = places.iter();
    let fields = fields.filter_map(|place| node.schema().fields().get(*place));
    let names: Vec<&str> = fields.map(|field| field.name().as_str()).collect();
    names.join(", ")
}

/// Of the rows of each key that came last, and of those whose turn has not come.
fn running_note(node: &Node, running: &Running, named: &[Known]) -> StateNote {
    let program = running.figures.iter().find_map(|figure| match figure {
        Figure::Pattern { program, .. } => Some(program),
        Figure::Aggregate(..) | Figure::Lag { .. } => None,
    });
    let kept = match (program, running.depth()) {
        (Some(program), _) => matches(program),
        (None, 0) => "no row, as far as figures read them".to_owned(),
        (None, 1) => "the last row, as far as figures read them".to_owned(),
        (None, depth) => format!("the last {depth} rows, as far as figures read them"),
    };
    let waiting = running.turns.map(|turns| {
        format!(
            "; rows that wait for their turn, until the watermark ({} behind) has passed their {}",
            delay(node, named),
            micros(turns.slice_us)
        )
    });
    let what = if program.is_some() {
        "matches"
    } else {
        "figures"
    };
    if let Some((_, view)) = &running.looked_up {
        return StateNote {
            operator: format!("lookup of view \"{view}\""),
            kind: StateKind::Rows,
            bound: format!(
                "one row per key that a view or a row here has had, for as long as the view is there{}",
                figured(running)
            ),
        };
    }
    StateNote {
        operator: format!("{what} of ({})", names(&running.partition, node)),
        kind: StateKind::Rows,
        bound: format!(
            "one row per key, for as long as the view is there; with it {kept}{}{}",
            different(running),
            waiting.unwrap_or_default()
        ),
    }
}

/// Of figures that keep more than a number.
fn figured(running: &Running) -> String {
    let calls = running.figures.iter().filter_map(|figure| match figure {
        Figure::Aggregate(call, _) => Some(call.clone()),
        Figure::Lag { .. } | Figure::Pattern { .. } => None,
    });
    sketched(&calls.collect::<Vec<_>>())
}

/// Of figures that take each different value once.
fn different(running: &Running) -> String {
    let calls = running.figures.iter().filter_map(|figure| match figure {
        Figure::Aggregate(call, _) => Some(call),
        Figure::Lag { .. } | Figure::Pattern { .. } => None,
    });
    let bounded = calls.filter_map(|call| Some((call, call.distinct_max?)));
    let texts = bounded.map(|(call, most)| {
        let name = call.function.as_str();
        format!("; at most {most} values per key of {name}")
    });
    texts.collect()
}

/// What is kept of the matches of a key that have begun.
fn matches(program: &Program) -> String {
    let span = program.within_us.map(micros);
    let rows = program.rows_max.filter(|rows| *rows <= ROWS_MAX);
    let since = match (span, rows) {
        (Some(span), Some(rows)) => format!("for {span} and {rows} rows at most"),
        (Some(span), None) => format!("for {span} and {ROWS_MAX} rows at most"),
        (None, rows) => format!("for {} rows at most", rows.unwrap_or(ROWS_MAX)),
    };
    format!(
        "the rows of matches that have begun and may still end, {since}, as far as they are \
         compared or told"
    )
}

/// Of the first rows of each key.
fn ranked(node: &Node, rank: &Rank, (emit, named): (Emit, &[Known])) -> StateNote {
    let each = match retracts(&rank.input, emit, named) {
        true => "every row of a key that it reads, since rows are taken back".to_owned(),
        false => format!("at most {} rows per key", rank.limit),
    };
    let (kind, bound) = match rank.window {
        Some(_) => (StateKind::Panes, panes(node, emit, named)),
        None => (
            StateKind::Rows,
            "for as long as the view is there".to_owned(),
        ),
    };
    StateNote {
        operator: format!("first {} of ({})", rank.limit, names(&rank.partition, node)),
        kind,
        bound: format!("{each}; {bound}"),
    }
}

/// Whether rows that come out of an operator may be taken back.
fn retracts(node: &Node, emit: Emit, named: &[Known]) -> bool {
    match node {
        Node::Aggregate { .. } => !matches!(emit, Emit::OnWindowClose { corrections: None }),
        Node::Source { input, .. } => {
            let known = named.get(*input);
            known.is_some_and(|known| !known.input.is_append_only())
        }
        other => {
            let mut inputs = other.inputs().into_iter();
            inputs.any(|input| retracts(input, emit, named))
        }
    }
}

fn rows(calls: &[Call], sources: &[&Known]) -> String {
    let mut bound = "one row per group, for as long as the view is there".to_owned();
    for call in calls {
        if let Some(most) = call.distinct_max {
            bound.push_str(&format!(
                "; at most {most} values per group of {}({})",
                call.function.as_str(),
                call.args
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
    }
    let mut sources = sources.iter();
    let retracts = sources.any(|known| !known.input.is_append_only());
    bound.push_str(&sketched(calls));
    let mut kept = Vec::new();
    for call in calls.iter().filter(|call| call.function.keeps_all()) {
        if !kept.contains(&call.function.as_str()) {
            kept.push(call.function.as_str());
        }
    }
    if retracts && !kept.is_empty() {
        let kept = kept.join(", ");
        bound.push_str(&format!(
            "; for {kept} every value of the group that it reads"
        ));
    }
    bound
}

/// What functions that keep more than a number keep of each group at most.
fn sketched(calls: &[Call]) -> String {
    let has = |function| calls.iter().any(|call| call.function == function);
    let mut bound = String::new();
    for call in calls {
        if let (Function::MinBy | Function::MaxBy, Some(several)) =
            (call.function, call.args.get(2))
        {
            let name = call.function.as_str();
            bound.push_str(&format!("; at most {several} rows per group of {name}"));
        }
    }
    for call in calls {
        if let Some(buckets) = buckets(&call.args).filter(|_| call.function == Function::Histogram)
        {
            let counters = buckets.counters();
            bound.push_str(&format!("; {counters} counters per group of histogram"));
        }
    }
    if has(Function::ApproxDistinct) {
        bound.push_str("; at most 24 KiB per group of approx_distinct");
    }
    if has(Function::ApproxPercentile) {
        bound.push_str(
            "; at most 256 counters per group of approx_percentile_cont for each power of two \
             that its values lie between",
        );
    }
    bound
}

impl PlannedView {
    /// All that was decided, with columns by position: the operators, when rows come out, what
    /// identifies one, what is kept. EXPLAIN prints `tree`.
    #[must_use]
    pub fn explain(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.plan.to_string().lines().map(str::to_owned).collect();
        let inputs = self
            .inputs
            .iter()
            .enumerate()
            .map(|(index, input)| match input {
                Input::Stream { id, .. } => format!("input {index}: stream {id}"),
                Input::Table { id } => format!("input {index}: table {id}"),
                Input::View { id, .. } => format!("input {index}: view {id}"),
            });
        lines.extend(inputs);
        let emit = emit_text(self.emit);
        lines.push(emit.unwrap_or_else(|| "rows as they come".to_owned()));
        let columns = self
            .key
            .iter()
            .filter_map(|index| self.columns.0.get(*index));
        let key: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
        if !key.is_empty() {
            lines.push(format!("key ({})", key.join(", ")));
        }
        match self.state.is_empty() {
            true => lines.push("keeps nothing".to_owned()),
            false => lines.extend(self.state.iter().map(|note| format!("keeps {note}"))),
        }
        lines
    }
}
