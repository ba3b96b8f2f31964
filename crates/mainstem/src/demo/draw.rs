//! The picture of the dashboard. Pure: numbers in, a frame out.

use std::time::Duration;

use mainstem_gateway::Status;
use mainstem_kernel::ByteSize;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style, Stylize},
    text::{Line, Span},
    widgets::{Block, BorderType, Borders, Paragraph, Row, Sparkline, Table},
};

use super::{
    board::{Answer, Board, Probed, Reading},
    show::next_lines,
};
use crate::screen::thousands;

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    pub(super) board: &'a Board,
    pub(super) reading: Reading,
    pub(super) probed: Probed,
    pub(super) curve: Vec<u64>,
    pub(super) rate: u64,
    pub(super) uptime: Duration,
}

/// Draws a picture; made for 80 × 24 and more.
pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>) {
    let [title, top, answers, next, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(9),
        Constraint::Length(8),
        Constraint::Length(4),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(headline(picture), title);
    let [left, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(38)]).areas(top);
    draw_curve(frame, left, picture);
    frame.render_widget(numbers(picture), right);
    let [first, second] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(answers);
    for (index, area) in [first, second].into_iter().enumerate() {
        draw_answer(frame, area, picture.probed.answers.get(index));
    }
    let lines: Vec<_> = next_lines(&picture.board.data)
        .into_iter()
        .map(Line::from)
        .collect();
    // No border at the sides: whole lines can be copied, and they are long.
    let next_block = block(" type next, in another terminal ").borders(Borders::TOP);
    frame.render_widget(Paragraph::new(lines).block(next_block), next);
    frame.render_widget(footline(picture), foot);
}

fn block(title: &str) -> Block<'_> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(Color::DarkGray))
        .title(Span::styled(
            title,
            Style::new().add_modifier(Modifier::BOLD),
        ))
}

fn headline(picture: &Picture<'_>) -> Line<'static> {
    let board = picture.board;
    Line::from(vec![
        " mainstem demo ".bold().reversed(),
        format!(
            " {} vehicles and a shop → {}, {} s",
            thousands(u64::from(board.vehicles)),
            board.url,
            picture.uptime.as_secs()
        )
        .into(),
    ])
}

fn footline(picture: &Picture<'_>) -> Line<'static> {
    match picture.board.trouble() {
        Some(trouble) => Line::from(format!(" waiting: {trouble}")).yellow(),
        None => Line::from(" q ends the demo; the data stays").dim(),
    }
}

fn draw_curve(frame: &mut Frame<'_>, area: Rect, picture: &Picture<'_>) {
    let title = format!(" {} events/s acknowledged ", thousands(picture.rate));
    let block = block(&title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    // The newest second is on the right.
    let width = usize::from(inner.width);
    let blank = width.saturating_sub(picture.curve.len());
    let skip = picture.curve.len().saturating_sub(width);
    let shown = picture.curve.iter().skip(skip).copied();
    let bars: Vec<u64> = std::iter::repeat_n(0, blank).chain(shown).collect();
    let top = bars.iter().copied().max().unwrap_or(0).max(1);
    let curve = Sparkline::default()
        .data(bars)
        .max(top + top / 10)
        .fg(Color::Green);
    frame.render_widget(curve, inner);
}

fn numbers(picture: &Picture<'_>) -> Paragraph<'static> {
    let reading = &picture.reading;
    let ms = |span: Duration| format!("{:.1}", span.as_secs_f64() * 1_000.0);
    let status = picture.probed.status.as_ref();
    let size = |bytes: Option<u64>| bytes.map_or("…".to_owned(), |b| ByteSize(b).to_string());
    let rejected = match (reading.rejected, reading.waits) {
        (rejected, 0) => thousands(rejected),
        (rejected, waits) => format!("{}, {waits} waits", thousands(rejected)),
    };
    let history = status.map_or("…".to_owned(), |status| {
        format!(
            "{} in {} files",
            ByteSize(status.history_bytes),
            status.history_files
        )
    });
    let rows = [
        ("acknowledged", thousands(reading.acked)),
        (
            "ack latency",
            format!("p50 {}  p99 {} ms", ms(reading.p50), ms(reading.p99)),
        ),
        (
            "journal",
            size(status.map(|status| status.journal_live_bytes)),
        ),
        ("history", history),
        ("views", views(status)),
        (
            "memory",
            size(status.map(|status| status.memory_resident_bytes)),
        ),
        ("rejected", rejected),
    ];
    let lines =
        rows.map(|(name, value)| Line::from(vec![format!("{name:<13}").dim(), value.bold()]));
    Paragraph::new(lines.to_vec()).block(block(" now "))
}

/// How many views there are, and how far they are behind the newest event.
fn views(status: Option<&Status>) -> String {
    let Some(status) = status else {
        return "…".to_owned();
    };
    let behind = status.views.iter().map(|view| view.behind_ms).max();
    let live = status.views.iter().filter(|view| view.state == "live");
    format!("{} live, {} ms behind", live.count(), behind.unwrap_or(0))
}

fn draw_answer(frame: &mut Frame<'_>, area: Rect, answer: Option<&Answer>) {
    let Some(answer) = answer else {
        frame.render_widget(block(" SQL "), area);
        return;
    };
    let took = answer.took.as_millis();
    let title = format!(" {}, {took} ms ", answer.title);
    // The first column says what, the others how much: they stand on the right.
    let cells = |row: &[String]| {
        let cells = row.iter().enumerate().map(|(i, text)| {
            let line = Line::from(text.clone());
            if i == 0 { line } else { line.right_aligned() }
        });
        Row::new(cells.collect::<Vec<_>>())
    };
    let width = |i: usize| {
        let texts = answer.rows.iter().filter_map(|row| row.get(i));
        let texts = texts.chain(answer.columns.get(i));
        let longest = texts.map(|text| text.chars().count()).max().unwrap_or(0);
        u16::try_from(longest).unwrap_or(u16::MAX)
    };
    let widths = (0..answer.columns.len().max(1)).map(|i| match i {
        0 => Constraint::Fill(1),
        _ => Constraint::Length(width(i)),
    });
    let table = Table::new(answer.rows.iter().map(|row| cells(row)), widths)
        .header(cells(&answer.columns).style(Style::new().dim()))
        .column_spacing(2);
    frame.render_widget(table.block(block(&title)), area);
}
