//! The arithmetic: percentiles, rates and ratios, and how a measured figure compares with its goal.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::Database;

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    /// A time, a size or a number of losses.
    Lower,
    /// A rate.
    Higher,
}

/// How a figure compares with its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The stretch goal is met too.
    Stretch,
    Met,
    Missed,
    /// The bot does not count it, so the goal can't be evaluated. `--check` treats it as missed.
    NotCounted,
}

impl Verdict {
    const fn text(self) -> &'static str {
        match self {
            Self::Stretch => "met, stretch too",
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotCounted => "NOT COUNTED",
        }
    }

    const fn passes(self) -> bool {
        match self {
            Self::Stretch | Self::Met => true,
            Self::Missed | Self::NotCounted => false,
        }
    }
}

/// Whether a row is compared between the two databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    Yes,
    No,
}

/// One measured figure with its goal.
#[derive(Clone, Debug)]
pub(super) struct Row {
    what: String,
    unit: &'static str,
    better: Better,
    measured: Option<f64>,
    goal: f64,
    stretch: Option<f64>,
    note: String,
    compared: Compared,
}

impl Row {
    pub(super) fn new(
        what: impl Into<String>,
        unit: &'static str,
        better: Better,
        measured: impl Into<Option<f64>>,
        goal: f64,
    ) -> Self {
        Self {
            what: what.into(),
            unit,
            better,
            measured: measured.into(),
            goal,
            stretch: None,
            note: String::new(),
            compared: Compared::No,
        }
    }

    /// A ratio, lower is better.
    pub(super) fn ratio(what: impl Into<String>, measured: f64, goal: f64) -> Self {
        Self::new(what, "", Better::Lower, measured, goal)
    }

    /// A count of something that must not happen, or only rarely.
    pub(super) fn count(what: impl Into<String>, measured: usize, goal: f64) -> Self {
        Self::new(what, "", Better::Lower, float(measured), goal)
    }

    /// Sets the stretch goal.
    pub(super) fn stretch(mut self, stretch: f64) -> Self {
        self.stretch = Some(stretch);
        self
    }

    /// Adds a note that explains the figure.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Marks the row for comparison: with `--database both`, PostgreSQL's figure is compared with SQLite's.
    pub(super) fn compared(mut self) -> Self {
        self.compared = Compared::Yes;
        self
    }

    pub(super) fn verdict(&self) -> Verdict {
        let Some(measured) = self.measured else { return Verdict::NotCounted };
        let reaches = |goal: f64| match self.better {
            Better::Lower => measured <= goal,
            Better::Higher => measured >= goal,
        };
        match (reaches(self.goal), self.stretch) {
            // NaN never meets a goal.
            (false, _) => Verdict::Missed,
            (true, Some(stretch)) if reaches(stretch) => Verdict::Stretch,
            (true, _) => Verdict::Met,
        }
    }

    fn text(&self) -> String {
        let sign = match self.better {
            Better::Lower => "≤",
            Better::Higher => "≥",
        };
        let stretch = self.stretch.map(shown).unwrap_or_default();
        let line = format!(
            "{:66} {:>10} {:<3} {sign}{:>7} {stretch:>8}  {:16}  {}",
            self.what,
            self.measured.map_or_else(|| "not counted".to_owned(), shown),
            self.unit,
            shown(self.goal),
            self.verdict().text(),
            self.note
        );
        line.trim_end().to_owned()
    }

    fn json(&self, database: Database) -> Value {
        json!({
            "what": self.what, "database": database.name(), "unit": self.unit, "measured": self.measured,
            "goal": self.goal, "stretch": self.stretch, "met": self.verdict().passes(), "note": self.note,
            "better": match self.better { Better::Lower => "lower", Better::Higher => "higher" },
        })
    }
}

/// All rows in the order in which they were measured.
#[derive(Debug, Default)]
pub(super) struct Report {
    sections: Vec<Section>,
    comparison: Vec<Row>,
}

/// What was measured on one database.
#[derive(Debug)]
struct Section {
    database: Database,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Report {
    /// Starts the results of this database.
    pub(super) fn begin(&mut self, database: Database) {
        self.sections.push(Section { database, rows: Vec::new(), notes: Vec::new() });
    }

    pub(super) fn push(&mut self, row: Row) {
        super::say(&format!("  {}", row.text()));
        if let Some(section) = self.sections.last_mut() {
            section.rows.push(row);
        }
    }

    /// Adds a fact about the run that has no goal.
    pub(super) fn note(&mut self, text: String) {
        super::say(&format!("  {text}"));
        if let Some(section) = self.sections.last_mut() {
            section.notes.push(text);
        }
    }

    /// Adds a row for each figure that both databases have. It is PostgreSQL's figure divided by SQLite's, so lower is better.
    pub(super) fn compare_databases(&mut self) {
        let rows_of = |database: Database| {
            let sections = self.sections.iter().filter(move |section| section.database == database);
            sections.flat_map(|section| &section.rows).filter(|row| row.compared == Compared::Yes)
        };
        let mut comparison = Vec::new();
        for sqlite in rows_of(Database::Sqlite) {
            let postgres = rows_of(Database::Postgres).find(|row| row.what == sqlite.what);
            let (Some(on_sqlite), Some(on_postgres)) =
                (sqlite.measured, postgres.and_then(|row| row.measured))
            else {
                continue;
            };
            let ratio = match sqlite.better {
                Better::Lower => on_postgres / on_sqlite,
                Better::Higher => on_sqlite / on_postgres,
            };
            comparison
                .push(Row::ratio(format!("PostgreSQL ÷ SQLite: {}", sqlite.what), ratio, 1.3).stretch(1.0));
        }
        self.comparison = comparison;
    }

    fn all(&self) -> impl Iterator<Item = (Database, &Row)> {
        let measured =
            self.sections.iter().flat_map(|section| section.rows.iter().map(|row| (section.database, row)));
        measured.chain(self.comparison.iter().map(|row| (Database::Postgres, row)))
    }

    /// The goals that were missed or could not be evaluated.
    pub(super) fn missed(&self) -> Vec<String> {
        let missed = self.all().filter(|(_, row)| !row.verdict().passes());
        missed
            .map(|(database, row)| match row.verdict() {
                Verdict::NotCounted => format!("{} on {}: not counted", row.what, database.name()),
                Verdict::Stretch | Verdict::Met | Verdict::Missed => {
                    format!("{} on {}", row.what, database.name())
                }
            })
            .collect()
    }

    /// Formats the report for people.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for section in &self.sections {
            let _ = writeln!(
                text,
                "{:66} {:>10} {:3} {:>8} {:>8}",
                section.database.name(),
                "measured",
                "",
                "goal",
                "stretch"
            );
            for row in &section.rows {
                let _ = writeln!(text, "{}", row.text());
            }
            for note in &section.notes {
                let _ = writeln!(text, "  {note}");
            }
        }
        for row in &self.comparison {
            let _ = writeln!(text, "{}", row.text());
        }
        text
    }

    /// Formats the report for programs.
    pub(super) fn json(&self, at: &str, processors: usize) -> String {
        let rows: Vec<Value> = self.all().map(|(database, row)| row.json(database)).collect();
        let notes: Vec<&String> = self.sections.iter().flat_map(|section| &section.notes).collect();
        let whole = json!({
            "at": at, "processors": processors, "rows": rows, "notes": notes, "missed": self.missed(),
        });
        format!("{whole:#}\n")
    }
}

/// Converts a count to a float.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(super) const fn float(count: usize) -> f64 {
    count as f64
}

/// Formats a number with its significant digits.
pub(super) fn shown(number: f64) -> String {
    match number {
        number if number.fract() == 0.0 => format!("{number:.0}"),
        number if number.abs() >= 100.0 => format!("{number:.0}"),
        number if number.abs() >= 10.0 => format!("{number:.1}"),
        number => format!("{number:.2}"),
    }
}

/// A number of accounts and the time they took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) count: usize,
    pub(super) took: Duration,
}

/// Accounts per second over all rounds; NaN if there are none.
pub(super) fn per_second(rounds: &[Pace]) -> f64 {
    let took: Duration = rounds.iter().map(|round| round.took).sum();
    let count: usize = rounds.iter().map(|round| round.count).sum();
    float(count) / took.as_secs_f64()
}

/// The given percentile in milliseconds; NaN if there are no times.
pub(super) fn percentile_ms(times: &[Duration], percent: usize) -> f64 {
    if times.is_empty() {
        return f64::NAN;
    }
    let micros: Vec<u64> =
        times.iter().map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).collect();
    let micros = usize::try_from(crate::faults::percentile(&micros, percent)).unwrap_or(usize::MAX);
    float(micros) / 1000.0
}

/// Median and 99th percentile, as a note.
pub(super) fn spread(times: &[Duration]) -> String {
    format!("p50 {} p99 {}", shown(percentile_ms(times, 50)), shown(percentile_ms(times, 99)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(list: &[u64]) -> Vec<Duration> {
        list.iter().copied().map(Duration::from_millis).collect()
    }

    fn report(database: Database, rows: Vec<Row>) -> Report {
        let mut report = Report::default();
        report.begin(database);
        for row in rows {
            report.push(row);
        }
        report
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
    fn a_figure_is_judged_by_its_better_direction_and_the_goal_itself_is_met() {
        let time =
            |measured: f64| Row::new("time", "ms", Better::Lower, measured, 3.0).stretch(2.0).verdict();
        assert_eq!([time(2.0), time(3.0), time(3.01)], [Verdict::Stretch, Verdict::Met, Verdict::Missed]);
        let rate = |measured: f64| Row::new("rate", "", Better::Higher, measured, 0.7).stretch(0.8).verdict();
        assert_eq!([rate(0.9), rate(0.7), rate(0.69)], [Verdict::Stretch, Verdict::Met, Verdict::Missed]);
        assert_eq!(Row::count("lost", 0, 0.0).verdict(), Verdict::Met);
    }

    #[test]
    fn what_is_no_number_or_not_counted_passes_no_check() {
        for better in [Better::Lower, Better::Higher] {
            assert_eq!(Row::new("nothing", "", better, f64::NAN, 1.0).verdict(), Verdict::Missed);
            assert_eq!(Row::new("nothing", "", better, None, 1.0).verdict(), Verdict::NotCounted);
        }
        let rows = vec![Row::new("flushes", "", Better::Lower, None, 4.0)];
        let report = report(Database::Sqlite, rows);
        assert_eq!(report.missed(), ["flushes on SQLite: not counted"]);
        assert!(report.text().contains("not counted"), "{}", report.text());
    }

    #[test]
    fn the_table_and_the_file_name_what_was_missed() {
        let quick = Row::ratio("quick", 1.0, 3.0).stretch(2.0).note("of 10");
        let report = report(Database::Sqlite, vec![quick, Row::ratio("slow", 4.5, 3.0)]);
        assert_eq!(report.missed(), ["slow on SQLite"]);
        let text = report.text();
        let line = |what: &str| text.lines().find(|line| line.starts_with(what)).expect("a line").to_owned();
        assert!(line("quick").contains("met, stretch too") && line("quick").ends_with("of 10"), "{text}");
        assert!(line("slow").contains("4.50") && line("slow").ends_with("MISSED"), "{text}");
        let json: Value = serde_json::from_str(&report.json("now", 2)).expect("JSON");
        assert_eq!((&json["missed"], &json["rows"][0]["met"]), (&json!(["slow on SQLite"]), &json!(true)));
        assert_eq!(json["rows"][1]["measured"], json!(4.5));
    }

    #[test]
    fn the_databases_are_compared_so_that_lower_is_better() {
        let rows = |time: f64, rate: f64| {
            [
                Row::ratio("time", time, 3.0).compared(),
                Row::new("rate", "", Better::Higher, rate, 0.5).compared(),
                Row::ratio("memory", time, 3.0),
            ]
        };
        let mut report = report(Database::Sqlite, rows(1.0, 0.9).into());
        report.begin(Database::Postgres);
        for row in rows(1.2, 0.6) {
            report.push(row);
        }
        report.compare_databases();
        let ratios: Vec<f64> = report.comparison.iter().filter_map(|row| row.measured).collect();
        assert_eq!(ratios.len(), 2);
        assert!((ratios[0] - 1.2).abs() < 1e-9 && (ratios[1] - 1.5).abs() < 1e-9, "{ratios:?}");
        assert_eq!(report.missed(), ["PostgreSQL ÷ SQLite: rate on PostgreSQL"]);
    }
}
