//! The arithmetic: percentiles, rates, ratios, and how a measured figure stands against its goal.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    /// A time, a size, a count of what is lost.
    Less,
    /// A rate.
    More,
}

/// How a figure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Even the further goal is met.
    Stretch,
    Met,
    Missed,
}

impl Judgement {
    const fn says(self) -> &'static str {
        match self {
            Self::Stretch => "met, stretch too",
            Self::Met => "met",
            Self::Missed => "MISSED",
        }
    }
}

/// One measured figure with its goal.
#[derive(Clone, Debug)]
pub(super) struct Row {
    what: String,
    unit: &'static str,
    better: Better,
    measured: f64,
    goal: f64,
    stretch: Option<f64>,
    note: String,
}

impl Row {
    pub(super) fn new(
        what: impl Into<String>,
        unit: &'static str,
        better: Better,
        measured: f64,
        goal: f64,
    ) -> Self {
        Self { what: what.into(), unit, better, measured, goal, stretch: None, note: String::new() }
    }

    /// The further goal.
    pub(super) fn stretch(mut self, stretch: f64) -> Self {
        self.stretch = Some(stretch);
        self
    }

    /// What helps to read it.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// A figure that could not be measured is missed.
    pub(super) fn judge(&self) -> Judgement {
        let reaches = |goal: f64| match self.better {
            Better::Less => self.measured <= goal,
            Better::More => self.measured >= goal,
        };
        match (reaches(self.goal), self.stretch) {
            (false, _) => Judgement::Missed,
            (true, Some(stretch)) if reaches(stretch) => Judgement::Stretch,
            (true, _) => Judgement::Met,
        }
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what, "unit": self.unit, "measured": self.measured, "goal": self.goal, "stretch": self.stretch,
            "better": match self.better { Better::Less => "less", Better::More => "more" },
            "met": self.judge() != Judgement::Missed, "note": self.note,
        })
    }
}

/// All rows in the order in which they were measured.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    asides: Vec<String>,
}

impl Table {
    pub(super) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Something to know about the run that has no goal.
    pub(super) fn aside(&mut self, text: String) {
        super::say(&format!("  {text}"));
        self.asides.push(text);
    }

    /// What was missed.
    pub(super) fn missed(&self) -> Vec<&str> {
        let missed = self.rows.iter().filter(|row| row.judge() == Judgement::Missed);
        missed.map(|row| row.what.as_str()).collect()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{:58} {:>12} {:>10} {:>9}\n", "", "measured", "goal", "stretch");
        for row in &self.rows {
            let sign = match row.better {
                Better::Less => "≤",
                Better::More => "≥",
            };
            let stretch = row.stretch.map(shown).unwrap_or_default();
            let line = format!(
                "{:58} {:>8} {:<3} {sign}{:>9} {stretch:>9}  {:16}  {}",
                row.what,
                shown(row.measured),
                row.unit,
                shown(row.goal),
                row.judge().says(),
                row.note
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for aside in &self.asides {
            let _ = writeln!(text, "  {aside}");
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self, at: &str, processors: usize) -> String {
        let rows: Vec<Value> = self.rows.iter().map(Row::json).collect();
        let whole = json!({
            "at": at, "processors": processors, "rows": rows, "asides": self.asides, "missed": self.missed(),
        });
        format!("{whole:#}\n")
    }
}

/// As many digits as say something.
fn shown(number: f64) -> String {
    match number {
        number if number.fract() == 0.0 => format!("{number:.0}"),
        number if number.abs() >= 100.0 => format!("{number:.0}"),
        number if number.abs() >= 10.0 => format!("{number:.1}"),
        number => format!("{number:.2}"),
    }
}

/// So many accounts in so long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) count: usize,
    pub(super) took: Duration,
}

/// Accounts in a second over several rounds together; not a number for none.
pub(super) fn per_second(rounds: &[Pace]) -> f64 {
    let took: Duration = rounds.iter().map(|round| round.took).sum();
    let count: usize = rounds.iter().map(|round| round.count).sum();
    #[expect(clippy::cast_precision_loss, reason = "some hundreds of accounts")]
    let count = count as f64;
    count / took.as_secs_f64()
}

/// The time below which so many of a hundred lie, in milliseconds; not a number of none.
pub(super) fn percentile_ms(times: &[Duration], percent: usize) -> f64 {
    if times.is_empty() {
        return f64::NAN;
    }
    let micros: Vec<u64> =
        times.iter().map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).collect();
    #[expect(clippy::cast_precision_loss, reason = "times of some seconds, in microseconds")]
    let micros = crate::faults::percentile(&micros, percent) as f64;
    micros / 1000.0
}

/// The median and the 99th of a hundred, for a note.
pub(super) fn spread(times: &[Duration]) -> String {
    format!("p50 {} p99 {}", shown(percentile_ms(times, 50)), shown(percentile_ms(times, 99)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(list: &[u64]) -> Vec<Duration> {
        list.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_measured_times_in_milliseconds() {
        let times = ms(&(1..=100).collect::<Vec<u64>>());
        assert!((percentile_ms(&times, 99) - 99.0).abs() < 1e-9);
        assert!((percentile_ms(&times, 50) - 50.0).abs() < 1e-9);
        assert!((percentile_ms(&[Duration::from_micros(1500)], 99) - 1.5).abs() < 1e-9);
        assert!(percentile_ms(&[], 99).is_nan());
    }

    #[test]
    fn a_rate_over_several_rounds_weighs_them_by_their_time() {
        let pace = |count, seconds| Pace { count, took: Duration::from_secs(seconds) };
        assert!((per_second(&[pace(10, 1), pace(10, 3)]) - 5.0).abs() < 1e-9);
        assert!(per_second(&[]).is_nan());
    }

    #[test]
    fn a_figure_is_judged_by_the_side_that_is_better_and_the_goal_itself_is_met() {
        let time = |measured| Row::new("time", "ms", Better::Less, measured, 3.0).stretch(2.0).judge();
        assert_eq!(
            [time(2.0), time(3.0), time(3.01)],
            [Judgement::Stretch, Judgement::Met, Judgement::Missed]
        );
        let rate = |measured| Row::new("rate", "", Better::More, measured, 0.7).stretch(0.8).judge();
        assert_eq!(
            [rate(0.9), rate(0.7), rate(0.69)],
            [Judgement::Stretch, Judgement::Met, Judgement::Missed]
        );
        let none = Row::new("lost", "", Better::Less, 0.0, 0.0);
        assert_eq!(none.judge(), Judgement::Met);
    }

    #[test]
    fn what_could_not_be_measured_is_missed() {
        for better in [Better::Less, Better::More] {
            assert_eq!(Row::new("nothing", "", better, f64::NAN, 1.0).judge(), Judgement::Missed);
        }
    }

    #[test]
    fn the_table_and_the_file_name_what_was_missed() {
        let mut table = Table::default();
        table.push(Row::new("quick", "ms", Better::Less, 1.0, 3.0).stretch(2.0).note("of 10"));
        table.push(Row::new("slow", "ms", Better::Less, 4.5, 3.0));
        assert_eq!(table.missed(), ["slow"]);
        let text = table.text();
        let line = |what: &str| text.lines().find(|line| line.starts_with(what)).expect("a line").to_owned();
        assert!(line("quick").contains("met, stretch too") && line("quick").ends_with("of 10"), "{text}");
        assert!(line("slow").contains("4.50") && line("slow").ends_with("MISSED"), "{text}");
        let json: Value = serde_json::from_str(&table.json("now", 2)).expect("JSON");
        assert_eq!((&json["missed"], &json["rows"][0]["met"]), (&json!(["slow"]), &json!(true)));
        assert_eq!(json["rows"][1]["measured"], json!(4.5));
    }
}
