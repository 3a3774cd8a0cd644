//! The manifest repository: the tracked branch, commit by commit. Git never holds what controllers write into the cluster.

use super::manifest::{Kind, Manifests};
use std::fmt;
use std::sync::Arc;

/// A commit of the tracked branch, by its place. The first one is what the run begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub u32);

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "commit {}", self.0)
    }
}

#[derive(Clone, Debug)]
pub struct Commit {
    pub manifests: Arc<Manifests>,
    /// Whether it changes a file of the application; a shared repository has others, too.
    pub touches_application: bool,
}

#[derive(Clone, Debug)]
pub struct Repository {
    commits: Vec<Commit>,
}

impl Repository {
    pub fn new(manifests: Manifests) -> Self {
        Self { commits: vec![Commit { manifests: Arc::new(manifests), touches_application: true }] }
    }

    pub fn head(&self) -> CommitId {
        CommitId(u32::try_from(self.commits.len() - 1).expect("commits are few"))
    }

    pub fn commit(&self, id: CommitId) -> &Commit {
        &self.commits[id.0 as usize]
    }

    pub fn manifests(&self) -> &Manifests {
        &self.commits.last().expect("a branch has a commit").manifests
    }

    /// Pushes these manifests. A commit without a change of them is somebody else's.
    pub fn push(&mut self, manifests: Manifests) -> CommitId {
        let touches_application = manifests != *self.manifests();
        let manifests = Arc::new(manifests);
        self.commits.push(Commit { manifests, touches_application });
        self.head()
    }

    /// The manifests of this kind as the newest commit had them that had any.
    pub fn last_of_kind(&self, kind: Kind) -> Manifests {
        let of_kind = |commit: &Commit| -> Manifests {
            let manifests = commit.manifests.iter().filter(|(id, _)| id.kind == kind);
            manifests.map(|(id, manifest)| (id.clone(), manifest.clone())).collect()
        };
        self.commits.iter().rev().map(of_kind).find(|manifests| !manifests.is_empty()).unwrap_or_default()
    }

    /// The newest commit up to this one that changes a file of the application.
    pub fn newest_of_application(&self, up_to: CommitId) -> CommitId {
        let mut commits = self.commits.iter().enumerate().take(up_to.0 as usize + 1);
        let newest = commits.rfind(|(_, commit)| commit.touches_application);
        CommitId(newest.map_or(0, |(place, _)| u32::try_from(place).expect("commits are few")))
    }
}
