//! What was told lately, so that `sensor explain` can say more about it.

use crate::alert::Alert;
use std::collections::VecDeque;

/// Most alerts that are kept.
const MAX_RECENT: usize = 1024;

/// The latest alerts.
#[derive(Default)]
pub struct Recent {
    alerts: VecDeque<Alert>,
}

impl Recent {
    /// Keeps an alert; the oldest gives way.
    pub fn keep(&mut self, alert: &Alert) {
        if self.alerts.len() >= MAX_RECENT {
            self.alerts.pop_front();
        }
        self.alerts.push_back(alert.clone());
    }

    /// The alert of that `event.id`, or the only one whose id begins so.
    pub fn find(&self, id: &str) -> Option<&Alert> {
        let mut found = self.alerts.iter().filter(|alert| !id.is_empty() && alert.id.starts_with(id));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    }

    /// The latest, newest first.
    pub fn latest(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.iter().rev()
    }
}
