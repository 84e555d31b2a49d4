//! The explanation for people.

use std::fmt::{self, Display, Write};

use super::answer::{ClusterAnswer, Entry, Explanation, FilterAnswer, HostAnswer, Limit, Outcome, Tried};

impl Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = if self.request.method.is_empty() { "" } else { &format!("{} ", self.request.method) };
        writeln!(f, "{method}{} from {}", self.request.url, self.request.from)?;
        entries(f, "listener", &self.listeners)?;
        entries(f, "chain", &self.chains)?;
        if let Some(seen) = &self.seen {
            writeln!(f, "request   {}{}", seen.host, seen.path)?;
        }
        if !self.routes.is_empty() {
            writeln!(f, "routes")?;
        }
        self.routes.iter().try_for_each(|route| tried(f, route))?;
        if self.routes_not_tried > 0 {
            writeln!(f, "  {} more are not tried", self.routes_not_tried)?;
        }
        if let Some(stopped) = &self.stopped {
            writeln!(f, "stops     {stopped}")?;
        }
        self.outcomes.iter().try_for_each(|it| outcome(f, it))
    }
}

fn entries(f: &mut fmt::Formatter<'_>, what: &str, entries: &[Entry]) -> fmt::Result {
    let (taken, others): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| entry.taken);
    let shown = |entry: &Entry| match &entry.address {
        Some(address) if *address != entry.name => format!("{} ({address})", entry.name),
        _ => entry.name.clone(),
    };
    for entry in taken {
        writeln!(f, "{what:9} {}: {}", shown(entry), entry.why)?;
    }
    others.iter().try_for_each(|entry| writeln!(f, "      not {}: {}", shown(entry), entry.why))
}

fn tried(f: &mut fmt::Formatter<'_>, route: &Tried) -> fmt::Result {
    write!(f, "  {}", named(route.index, &route.name))?;
    match (&route.because, route.takes_percent) {
        (None, _) => writeln!(f, ": yes"),
        (Some(because), percent) if percent > 0.0 => {
            writeln!(f, ": takes {} %: {} is {}; {}", Percent(percent), because.predicate, because.asks, because.has)
        }
        (Some(because), _) => {
            writeln!(f, ": no: {} asks for {}, and there is {}", because.predicate, because.asks, because.has)
        }
    }
}

fn named(index: usize, name: &str) -> String {
    if name.is_empty() { format!("routes[{index}]") } else { format!("routes[{index}] {name}") }
}

fn outcome(f: &mut fmt::Formatter<'_>, outcome: &Outcome) -> fmt::Result {
    let none = if outcome.action == "none" { "no route" } else { "by a filter" };
    let route = outcome.route.map_or_else(|| none.to_owned(), |index| named(index, &outcome.name));
    writeln!(f, "\n{} % of such requests: {route}", Percent(outcome.percent))?;
    for FilterAnswer { name, does } in &outcome.filters {
        writeln!(f, "  filter    {name}: {does}")?;
    }
    if outcome.action == "echo" {
        writeln!(f, "  answer    what it sends")?;
    }
    if let Some(status) = outcome.status {
        let flag = outcome.response_flag.map(|flag| format!(", response flag {flag}")).unwrap_or_default();
        let location = outcome.location.as_ref().map(|location| format!(" to {location}")).unwrap_or_default();
        writeln!(f, "  answer    {status}{location}{flag}")?;
    }
    if let Some(seen) = &outcome.forwarded {
        writeln!(f, "  forwards  {}{}", seen.host, seen.path)?;
    }
    for (name, policy) in &outcome.policies {
        writeln!(f, "  {name:9} {policy}")?;
    }
    limits(f, "  ", &outcome.timeouts)?;
    outcome.clusters.iter().try_for_each(|it| cluster(f, it))
}

fn cluster(f: &mut fmt::Formatter<'_>, cluster: &ClusterAnswer) -> fmt::Result {
    let word = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (balancing, protocol) = (word(&cluster.load_balancing), word(&cluster.protocol));
    write!(f, "  cluster   {}: {} %, {balancing}, {protocol}", cluster.name, Percent(cluster.percent))?;
    match (cluster.weight, &cluster.weight_key) {
        (None, _) => writeln!(f)?,
        (Some(weight), None) => writeln!(f, ", weight {weight}")?,
        (Some(weight), Some(key)) => writeln!(f, ", weight {weight} (runtime {key})")?,
    }
    if cluster.maintenance_percent > 0.0 {
        writeln!(
            f,
            "    refuses {} %: upstream.maintenance_mode.{}",
            Percent(cluster.maintenance_percent),
            cluster.name
        )?;
    }
    if let Some(hosts) = cluster.hosts_are {
        writeln!(f, "    hosts   {hosts}")?;
    }
    cluster.hosts.iter().try_for_each(|it| host(f, it))?;
    write!(f, "    limits  {}", cluster.circuit_breaker)?;
    if !cluster.circuit_breaker_used.is_empty() {
        write!(f, ", used {}", serde_json::Value::Object(cluster.circuit_breaker_used.clone()))?;
    }
    writeln!(f)?;
    limits(f, "    ", &cluster.timeouts)
}

fn host(f: &mut fmt::Formatter<'_>, host: &HostAnswer) -> fmt::Result {
    let mut more = String::new();
    if host.priority > 0 {
        write!(more, ", priority {}", host.priority)?;
    }
    if !host.zone.is_empty() {
        write!(more, ", zone {}", host.zone)?;
    }
    if let Some(active) = host.active_requests {
        write!(more, ", {active} active")?;
    }
    let (address, weight, health) = (&host.address, host.weight, host.health);
    writeln!(f, "    host    {address}: {} %, weight {weight}, {health}{more}: {}", Percent(host.percent), host.why)
}

fn limits(f: &mut fmt::Formatter<'_>, indent: &str, limits: &[Limit]) -> fmt::Result {
    // What is off unless somebody says otherwise goes without saying.
    let said = limits.iter().filter(|limit| !(limit.value == "off" && limit.from == "default"));
    said.into_iter().try_for_each(|limit| {
        let Limit { name, value, from } = limit;
        writeln!(f, "{indent}time      {name} {value} ({from})")
    })
}

/// Two digits behind the point, where they say something.
struct Percent(f64);

impl Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}
