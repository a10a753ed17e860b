//! Whether the parts headquarters depends on work; shared by the writer and the API.

use minewatch_domain::At;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Debug, Default)]
struct State {
    works: bool,
    error: Option<(String, At)>,
}

/// Health of the store as the writer sees it.
#[derive(Debug, Clone, Default)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

impl Health {
    /// The store was opened at start.
    pub fn working() -> Health {
        Health { state: Arc::new(Mutex::new(State { works: true, error: None })) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A transaction succeeded; true when that is news.
    pub fn store_works(&self) -> bool {
        let mut state = self.lock();
        let news = !state.works;
        *state = State { works: true, error: None };
        news
    }

    /// A transaction failed; true when that is news.
    pub fn store_fails(&self, error: &str, at: At) -> bool {
        let mut state = self.lock();
        let news = state.works;
        let since = state.error.as_ref().map_or(at, |(_, since)| *since);
        *state = State { works: false, error: Some((error.chars().take(300).collect(), since)) };
        news
    }

    /// The failure, if there is one, and since when.
    pub fn failure(&self) -> Option<(String, At)> {
        self.lock().error.clone()
    }
}
