//! The catalog's answers worked out the obvious way: over all entries at once, in memory.

use catalogs::model::path::compare;

#[derive(Debug, Clone)]
pub struct NaiveJob {
    pub second: i64,
    pub roots: Vec<&'static str>,
    pub excludes: Vec<&'static str>,
    pub complete: bool,
    pub full: bool,
}

/// Index of the job, of the volume, the paths, and those that it says are gone.
#[derive(Debug, Clone)]
pub struct NaiveReceipt {
    pub job: usize,
    pub volume: usize,
    pub paths: Vec<&'static str>,
    pub gone: Vec<&'static str>,
}

#[derive(Debug, Clone)]
pub struct Naive {
    pub jobs: Vec<NaiveJob>,
    pub receipts: Vec<NaiveReceipt>,
    pub retired: Option<usize>,
    /// Volumes that another label has overwritten.
    pub overwritten: Vec<usize>,
    /// Jobs that are expired.
    pub expired: Vec<usize>,
}

#[derive(Debug, Clone, Default)]
pub struct NaiveOptions {
    pub all_versions: bool,
    pub as_of: Option<i64>,
    pub on_volume: Option<usize>,
    pub expired: bool,
}

/// Path, job, volume, gone.
pub type NaiveHit = (String, usize, usize, bool);

impl Naive {
    pub fn find(&self, pattern: &str, options: &NaiveOptions) -> Vec<NaiveHit> {
        let order = |job: usize| (self.jobs[job].second, job);
        let counts = |job: usize| self.counts(job, options.as_of);
        let receipts: Vec<_> = self
            .receipts
            .iter()
            .filter(|receipt| counts(receipt.job))
            .collect();
        let mut paths: Vec<&str> = receipts
            .iter()
            .flat_map(|receipt| receipt.paths.clone())
            .collect();
        paths.sort_by(|a, b| compare(a.as_bytes(), b.as_bytes()));
        paths.dedup();
        let mut hits = Vec::new();
        for path in paths.into_iter().filter(|path| matches(pattern, path)) {
            let holding: Vec<_> = receipts
                .iter()
                .filter(|it| it.paths.contains(&path))
                .collect();
            let gone = self.gone_since(path, options.as_of).is_some();
            let mut offered: Vec<_> = holding
                .into_iter()
                .filter(|receipt| self.retired != Some(receipt.volume))
                .filter(|receipt| !self.overwritten.contains(&receipt.volume))
                .filter(|receipt| options.expired || !self.expired.contains(&receipt.job))
                .filter(|receipt| options.on_volume.is_none_or(|on| on == receipt.volume))
                .collect();
            let newest = offered.iter().map(|receipt| order(receipt.job)).max();
            if !options.all_versions {
                offered.retain(|receipt| Some(order(receipt.job)) == newest);
            }
            let hit = |receipt: &&&NaiveReceipt| (path.into(), receipt.job, receipt.volume, gone);
            hits.extend(offered.iter().map(hit));
        }
        hits
    }

    /// When the first job began that missed a path, of those after the last one that held it.
    pub fn gone_since(&self, path: &str, as_of: Option<i64>) -> Option<i64> {
        let order = |job: usize| (self.jobs[job].second, job);
        let receipts = || (self.receipts.iter()).filter(|it| self.counts(it.job, as_of));
        let holding = receipts().filter(|it| it.paths.contains(&path));
        let seen = holding.map(|it| order(it.job)).max();
        let said = receipts()
            .filter(|it| it.gone.contains(&path))
            .map(|it| it.job);
        let lacked = (0..self.jobs.len()).filter(|&job| {
            let NaiveJob { complete, full, .. } = self.jobs[job];
            let proves = complete && full && self.covers(job, path);
            seen.is_some() && self.counts(job, as_of) && proves
        });
        let later = said.chain(lacked).filter(|&job| Some(order(job)) > seen);
        later.map(order).min().map(|(second, _)| second)
    }

    fn counts(&self, job: usize, as_of: Option<i64>) -> bool {
        as_of.is_none_or(|as_of| self.jobs[job].second <= as_of)
    }

    /// The same if a job had not been run.
    pub fn without(mut self, job: usize) -> Naive {
        self.jobs[job].complete = false;
        self.receipts.retain(|receipt| receipt.job != job);
        self
    }

    fn covers(&self, job: usize, path: &str) -> bool {
        let job = &self.jobs[job];
        let excluded = job.excludes.iter().any(|glob| {
            let suffix = glob.strip_prefix('*').unwrap();
            path.split('/').any(|component| component.ends_with(suffix))
        });
        job.roots
            .iter()
            .any(|root| root.is_empty() || at_or_below(path, root))
            && !excluded
    }
}

fn at_or_below(path: &str, tree: &str) -> bool {
    path == tree || path.starts_with(&format!("{tree}/"))
}

fn matches(pattern: &str, path: &str) -> bool {
    let pattern = pattern.trim_matches('/');
    if pattern.is_empty() {
        return true;
    }
    if !pattern.contains(['*', '?']) {
        return at_or_below(path, pattern);
    }
    let components = |text: &str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    glob(&components(pattern), &components(path))
}

fn glob(pattern: &[String], path: &[String]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((first, [])), _) if first == "**" => !path.is_empty(),
        (Some((first, rest)), _) if first == "**" => {
            (0..=path.len()).any(|skipped| glob(rest, &path[skipped..]))
        }
        (Some(_), None) => false,
        (Some((first, rest)), Some((name, below))) => {
            wild(first.as_bytes(), name.as_bytes()) && glob(rest, below)
        }
    }
}

fn wild(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((b'*', rest)), _) => (0..=name.len()).any(|taken| wild(rest, &name[taken..])),
        (Some((b'?', rest)), Some((_, below))) => wild(rest, below),
        (Some((byte, rest)), Some((other, below))) => byte == other && wild(rest, below),
        (Some(_), None) => false,
    }
}
