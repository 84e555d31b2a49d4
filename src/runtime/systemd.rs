//! Telling systemd how we are: the sd_notify(3) protocol, one datagram a message.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The notification socket. Without systemd there is none, and every message goes nowhere.
pub struct Notifier(Option<(UnixDatagram, SocketAddr)>);

impl Notifier {
    /// As told by `NOTIFY_SOCKET`: a path, or `@` and an abstract name.
    pub fn from_env() -> io::Result<Notifier> {
        std::env::var_os("NOTIFY_SOCKET").map_or(Ok(Notifier(None)), Notifier::to)
    }

    fn to(name: OsString) -> io::Result<Notifier> {
        let addr = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(&name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Notifier(Some((socket, addr))))
    }

    /// Start-up is done, or a reload.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// A reload begins; `ready` ends it. The time stamp is what `Type=notify-reload` asks for.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// One line for `systemctl status`.
    pub fn status(&self, line: &str) {
        self.send(&format!("STATUS={}", line.replace('\n', " ")));
    }

    /// To be sent only after every worker has shown that it still turns.
    pub fn watchdog(&self) {
        self.send("WATCHDOG=1");
    }

    fn send(&self, message: &str) {
        if let Some((socket, addr)) = &self.0
            && let Err(error) = socket.send_to_addr(message.as_bytes(), addr)
        {
            log::warn!("systemd was not told {message:?}: {error}");
        }
    }
}

/// How often to call `watchdog`: half of `WatchdogSec`, if that is set for this process.
pub fn watchdog_interval() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    if number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id())) {
        return None;
    }
    number("WATCHDOG_USEC").filter(|usec| *usec > 0).map(|usec| Duration::from_micros(usec / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        let name = format!("nuncio-notify-{}", std::process::id());
        let systemd = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let notifier = Notifier::to(format!("@{name}").into()).unwrap();
        let received = || {
            let mut buf = [0; 200];
            let len = systemd.recv(&mut buf).unwrap();
            String::from_utf8_lossy(&buf[..len]).into_owned()
        };
        notifier.ready();
        assert_eq!(received(), "READY=1");
        notifier.status("two\nlines");
        assert_eq!(received(), "STATUS=two lines");
        notifier.reloading();
        let text = received();
        let stamp = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(stamp.parse::<u64>().unwrap() > 0);
        notifier.stopping();
        assert_eq!(received(), "STOPPING=1");
        notifier.watchdog();
        assert_eq!(received(), "WATCHDOG=1");
        Notifier(None).ready();
    }
}
