//! One stage's live line: the columns that fit into the window, and their text.
//!
//! A column keeps its place once it has something to show, and columns whose text changes with
//! every event have a fixed width, so that the layout is stable.

use super::{
    human,
    state::{Phase, Stage},
    text::{Align, Ink, Paint, fit, pad, width},
};

/// The gap between two columns.
const GAP: usize = 2;
/// The width of the mark before the name, with its space.
const MARK: usize = 2;
/// The least width of a name.
const NAME_MIN: usize = 6;
const BAR_MIN: usize = 8;
const BAR_MAX: usize = 24;

/// A column of the table after the name, in display order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Bar,
    Count,
    Failed,
    Rate,
    InFlight,
    Reused,
    Throttled,
    Left,
}

const COLUMNS: [Column; 8] = [
    Column::Bar,
    Column::Count,
    Column::Failed,
    Column::Rate,
    Column::InFlight,
    Column::Reused,
    Column::Throttled,
    Column::Left,
];

/// The most important first; columns that do not fit are left out.
const IMPORTANCE: [Column; 8] = [
    Column::Count,
    Column::Failed,
    Column::Left,
    Column::Rate,
    Column::Bar,
    Column::InFlight,
    Column::Reused,
    Column::Throttled,
];

/// The columns and their widths, the same for every line.
pub(super) struct Layout {
    width: usize,
    name: usize,
    columns: Vec<(Column, usize)>,
}

impl Layout {
    pub(super) fn new(stages: &[Stage], window: usize) -> Self {
        let widest = |column: Column| {
            let text = stages.iter().map(|stage| width(&cell(stage, column).0)).max().unwrap_or(0);
            let forecast = stages.iter().any(|stage| stage.counts.total.is_some());
            // Wide enough for later values, if the text changes with every event.
            let usual = match column {
                Column::Rate => width("9.9/min"),
                Column::Left if forecast => width("59m 59s left"),
                Column::Bar if forecast => BAR_MIN,
                Column::InFlight if text > 0 => width("10 in flight"),
                Column::Throttled if text > 0 => width("10 throttled"),
                _ => 0,
            };
            text.max(usual)
        };
        let longest = stages.iter().map(|stage| width(&stage.name)).max().unwrap_or(0);
        let needed: usize = [Column::Count, Column::Failed].map(widest).iter().map(|w| w + GAP).sum();
        let room = window.saturating_sub(MARK + needed).min((window / 3).max(NAME_MIN));
        let name = longest.min(room.max(NAME_MIN));

        let mut free = window.saturating_sub(MARK + name);
        let mut chosen = Vec::new();
        for column in IMPORTANCE {
            match widest(column) {
                0 => {}
                wide if wide + GAP <= free => {
                    free -= wide + GAP;
                    chosen.push((column, wide));
                }
                _ => break,
            }
        }
        // The bar takes the remaining width.
        if let Some((_, wide)) = chosen.iter_mut().find(|(column, _)| *column == Column::Bar) {
            *wide = (*wide + free).min(BAR_MAX);
        }
        let find = |column: Column| chosen.iter().copied().find(|(c, _)| *c == column);
        let columns: Vec<_> = COLUMNS.into_iter().filter_map(find).collect();
        Self { width: window, name, columns }
    }

    pub(super) fn line(&self, stage: &Stage, paint: Paint) -> String {
        let (mark, ink) = match stage.phase {
            Phase::Waiting => ("·", Ink::Dim),
            Phase::Running => ("▸", Ink::Live),
            Phase::Ended => ("✓", Ink::Good),
        };
        let mut line = Line { text: String::new(), room: self.width, paint };
        line.add(mark, ink);
        line.add(" ", Ink::Plain);
        line.add(&pad(&stage.name, self.name, Align::Left), Ink::Plain);
        for (column, wide) in &self.columns {
            line.add("  ", Ink::Plain);
            match column {
                Column::Bar => bar(&mut line, stage, *wide),
                _ => {
                    let (text, ink) = cell(stage, *column);
                    line.add(&pad(&text, *wide, Align::Right), ink);
                }
            }
        }
        // The last columns may be blank; the caller pads the line.
        line.text.truncate(line.text.trim_end().len());
        line.text
    }
}

/// A line with a limited width.
struct Line {
    text: String,
    room: usize,
    paint: Paint,
}

impl Line {
    fn add(&mut self, text: &str, ink: Ink) {
        let text = fit(text, self.room);
        self.room -= width(&text);
        // A blank cell needs no colour.
        let ink = if text.trim().is_empty() { Ink::Plain } else { ink };
        self.paint.push(&mut self.text, &text, ink);
    }
}

/// The text of a stage's column; may be empty.
fn cell(stage: &Stage, column: Column) -> (String, Ink) {
    let counts = &stage.counts;
    let at_work = stage.phase == Phase::Running;
    let some = |number: u64, what: &str, ink: Ink| match number {
        0 => (String::new(), ink),
        _ => (format!("{} {what}", human::count(number)), ink),
    };
    match column {
        // Drawn elsewhere: it takes the remaining width.
        Column::Bar => (String::new(), Ink::Plain),
        Column::Count if stage.phase == Phase::Waiting => ("waiting".to_owned(), Ink::Dim),
        Column::Count => (count(stage), Ink::Plain),
        Column::Failed => some(counts.failed, "failed", Ink::Bad),
        Column::Rate => (stage.rate().map(human::rate).unwrap_or_default(), Ink::Plain),
        Column::InFlight if at_work && stage.asks => (format!("{} in flight", counts.in_flight), Ink::Plain),
        Column::Throttled if at_work && stage.throttled => {
            (format!("{} throttled", counts.waiting), Ink::Dim)
        }
        Column::InFlight | Column::Throttled => (String::new(), Ink::Plain),
        Column::Reused => some(counts.reused, "reused", Ink::Dim),
        Column::Left if at_work => {
            let left = |time| format!("{} left", human::whole(time));
            (stage.left().filter(|time| !time.is_zero()).map(left).unwrap_or_default(), Ink::Plain)
        }
        Column::Left => (String::new(), Ink::Plain),
    }
}

/// `23/47`, or `23` if the total is unknown.
pub(super) fn count(stage: &Stage) -> String {
    let settled = human::count(stage.settled());
    match stage.total() {
        Some(total) => format!("{settled}/{}", human::count(total)),
        None => settled,
    }
}

fn bar(line: &mut Line, stage: &Stage, wide: usize) {
    let full = match (stage.phase, stage.total()) {
        (Phase::Ended, _) => wide,
        (Phase::Running, Some(total)) if total > 0 => {
            // In 128 bits: a count times a width may not fit into 64.
            (u128::from(stage.settled()) * wide as u128 / u128::from(total)) as usize
        }
        _ => return line.add(&" ".repeat(wide), Ink::Plain),
    };
    let ink = if stage.phase == Phase::Ended { Ink::Good } else { Ink::Live };
    line.add(&"━".repeat(full), ink);
    line.add(&"─".repeat(wide - full), Ink::Dim);
}
