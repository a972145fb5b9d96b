//! The bot's own counters, read from its `/metrics` page.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};

/// One reading of the page.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    text: String,
}

/// Returns how much a counter grew between two readings; `None` if the bot does not have that counter.
pub(super) fn growth(before: &Counters, after: &Counters, sample: &str) -> Option<f64> {
    Some(after.total(sample)? - before.total(sample).unwrap_or(0.0))
}

impl Counters {
    pub(super) async fn read(address: SocketAddr) -> Result<Self> {
        let answer = reqwest::get(format!("http://{address}/metrics")).await.context("ask for metrics")?;
        let answer = answer.error_for_status().context("ask for metrics")?;
        Ok(Self { text: answer.text().await.context("read metrics")? })
    }

    /// Returns the sum of a sample over all label values. `sample` is its name, or its name and one label such as
    /// `calls_count{target="mail"`.
    fn total(&self, sample: &str) -> Option<f64> {
        let (name, label) = sample.split_once('{').unwrap_or((sample, ""));
        let values = self.text.lines().filter_map(|line| {
            let (found, value) = line.rsplit_once(' ')?;
            let (found, labels) = found.split_once('{').unwrap_or((found, ""));
            (found == name && labels.contains(label)).then(|| value.parse::<f64>().ok())?
        });
        values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(text: &str) -> Counters {
        Counters { text: text.to_owned() }
    }

    #[test]
    fn a_sample_is_summed_over_its_labels_and_a_missing_one_is_none() {
        let page = counters(
            "# TYPE accolade_call_seconds histogram\n\
             accolade_call_seconds_count{target=\"keycloak\",outcome=\"ok\"} 7\n\
             accolade_call_seconds_count{target=\"keycloak\",outcome=\"down\"} 1\n\
             accolade_call_seconds_count{target=\"mail\",outcome=\"ok\"} 2\n\
             accolade_store_commits_total 41\n# EOF\n",
        );
        assert_eq!(page.total("accolade_call_seconds_count{target=\"keycloak\""), Some(8.0));
        assert_eq!(page.total("accolade_call_seconds_count"), Some(10.0));
        assert_eq!(page.total("accolade_store_commits_total"), Some(41.0));
        assert_eq!(page.total("accolade_store_flushes_total"), None);
    }

    #[test]
    fn growth_counts_from_zero_where_a_label_was_not_there_yet() {
        let (before, after) = (counters("a_total 3\n"), counters("a_total 5\nb_total{x=\"y\"} 4\n"));
        assert_eq!(growth(&before, &after, "a_total"), Some(2.0));
        assert_eq!(growth(&before, &after, "b_total"), Some(4.0));
        assert_eq!(growth(&before, &after, "c_total"), None);
    }
}
