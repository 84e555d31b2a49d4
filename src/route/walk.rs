//! The route table walked in file order, for those who want to know why: the same predicates that `find` asks, each route
//! in turn, without the index. Slow, and never on the way of a request.

use std::sync::Arc;

use super::predicate::{Predicate, Subject};
use super::{Route, RouteTable};

/// One route that was looked at.
#[derive(Debug)]
pub struct Step<'t> {
    pub route: &'t Arc<Route>,
    pub verdict: Verdict<'t>,
}

/// What a route makes of a request.
#[derive(Debug)]
pub enum Verdict<'t> {
    /// The first predicate that does not hold.
    Failed(&'t Predicate),
    /// All but the share hold, and earlier routes take all of it: this one is its predicate.
    NoneLeft(&'t Predicate),
    /// It takes the request if the number that is thrown for it is one of these: from the first, below the second.
    Takes(f64, f64),
}

impl RouteTable {
    /// Every route up to the last that the request can take. The `point` of the subject is not looked at.
    pub fn walk(&self, subject: &Subject<'_>) -> Vec<Step<'_>> {
        let (mut steps, mut taken) = (Vec::new(), 0.0);
        for route in self.routes() {
            let verdict = route.verdict(subject, taken);
            if let Verdict::Takes(_, to) = verdict {
                taken = to;
            }
            steps.push(Step { route, verdict });
            if taken >= 100.0 {
                break;
            }
        }
        steps
    }
}

impl Route {
    /// `taken`: requests with numbers below it do not come here.
    fn verdict(&self, subject: &Subject<'_>, taken: f64) -> Verdict<'_> {
        let fails = |predicate: &&Predicate| !matches!(predicate, Predicate::Runtime(_)) && !predicate.holds(subject);
        if let Some(failed) = self.predicates().iter().find(fails) {
            return Verdict::Failed(failed);
        }
        let share = self.predicates().iter().find(|predicate| matches!(predicate, Predicate::Runtime(_)));
        let to = self.share().map_or(100.0, |share| share.get());
        match share {
            Some(share) if to <= taken => Verdict::NoneLeft(share),
            _ => Verdict::Takes(taken, to),
        }
    }
}
