//! Answers, read strictly (RFC 1035 section 4.1, RFC 5452 section 9.1). Of the answer section only the chain of aliases that
//! starts at the name asked for counts; of the others only how long there is nothing (RFC 2308 section 5), and the rest of
//! the response code (RFC 6891 section 6.1.3).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::message::{Asked, INTERNET, OPT, RecordType};
use crate::reader::Reader;
use crate::{Failure, MAX_CHAIN, MAX_RECORDS, Name, Outcome, Records, Srv};

/// The message answers the query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Outcome(Outcome),
    /// There is more of it than a datagram holds.
    Truncated,
}

/// The message answers another query, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    Other,
    /// It would be the answer, were its letters in the right case.
    OtherCase,
}

const QR: u16 = 1 << 15;
const OPCODE: u16 = 15 << 11;
const TC: u16 = 1 << 9;
const RCODE: u16 = 15;

const NS: u16 = 2;
const CNAME: u16 = 5;
const SOA: u16 = 6;

struct Record {
    owner: Name,
    kind: u16,
    class: u16,
    ttl: u32,
    /// Where its data stand in the message.
    data: usize,
    len: usize,
}

/// Reads a message that may be the answer.
///
/// # Errors
/// It is not. That is nothing to fail on: anybody may send it.
pub fn parse(message: &[u8], asked: &Asked) -> Result<Reply, Stray> {
    let mut reader = Reader::new(message);
    let flags = match_question(&mut reader, message, asked)?;
    if flags & TC != 0 {
        return Ok(Reply::Truncated);
    }
    let outcome = read_sections(reader, message, flags & RCODE, asked);
    Ok(Reply::Outcome(outcome.unwrap_or_else(Outcome::Failed)))
}

/// The flags, if this answers the query.
fn match_question(reader: &mut Reader, message: &[u8], asked: &Asked) -> Result<u16, Stray> {
    let mut read = || Some((reader.u16()?, reader.u16()?, reader.u16()?, reader.take(6)?));
    let (id, flags, questions, _) = read().ok_or(Stray::Other)?;
    if id != asked.id || flags & QR == 0 || flags & OPCODE != 0 || questions != 1 {
        return Err(Stray::Other);
    }
    let start = reader.at();
    let mut question = || Some((reader.name()?, reader.u16()?, reader.u16()?));
    let (name, kind, class) = question().ok_or(Stray::Other)?;
    if name != asked.question.name || kind != asked.question.kind.code() || class != INTERNET {
        return Err(Stray::Other);
    }
    let same = message.get(start..).is_some_and(|rest| rest.starts_with(&asked.name));
    if same || !asked.exact { Ok(flags) } else { Err(Stray::OtherCase) }
}

fn read_sections(mut reader: Reader, message: &[u8], rcode: u16, asked: &Asked) -> Result<Outcome, Failure> {
    let mut counts = Reader::new(message);
    let mut read = || Some((counts.take(6)?, [counts.u16()?, counts.u16()?, counts.u16()?]));
    let (_, counts) = read().ok_or(Failure::Malformed)?;
    let counts = counts.map(usize::from);
    if counts.iter().sum::<usize>() > MAX_RECORDS {
        return Err(Failure::Malformed);
    }
    let mut section = |count| (0..count).map(|_| read_record(&mut reader)).collect::<Option<Vec<_>>>();
    let [answers, authority, additional] = counts;
    // An error may come with half a message.
    let sections = section(answers).zip(section(authority)).zip(section(additional));
    let Some(((answers, authority), additional)) = sections else {
        return Err(if matches!(rcode, 0 | NXDOMAIN) { Failure::Malformed } else { Failure::Code(rcode) });
    };
    let mut options = additional.iter().filter(|record| record.kind == OPT);
    let extended = options.next().map_or(0, |record| (record.ttl >> 24) as u16);
    if options.next().is_some() {
        return Err(Failure::Malformed);
    }
    let chain = Chain::follow(message, &answers, asked)?;
    let nothing = || negative_ttl(message, &authority).map(|ttl| chain.ttl.map_or(ttl, |alias| alias.min(ttl)));
    match extended << 4 | rcode {
        NXDOMAIN => Ok(Outcome::NxDomain { ttl: nothing() }),
        0 => match chain.records(message, &answers, asked.question.kind)? {
            Some((records, ttl)) => Ok(Outcome::Answer { records, ttl }),
            None if is_referral(&authority) => Err(Failure::Referral),
            None => Ok(Outcome::NoData { ttl: nothing() }),
        },
        code => Err(Failure::Code(code)),
    }
}

const NXDOMAIN: u16 = 3;

fn read_record(reader: &mut Reader) -> Option<Record> {
    let owner = reader.name()?;
    let (kind, class, ttl) = (reader.u16()?, reader.u16()?, reader.u32()?);
    let len = usize::from(reader.u16()?);
    let data = reader.at();
    reader.take(len)?;
    Some(Record { owner, kind, class, ttl, data, len })
}

impl Record {
    /// RFC 2181 section 8: a time beyond 2^31 - 1 is none.
    fn ttl(&self) -> Duration {
        Duration::from_secs(if self.ttl > i32::MAX as u32 { 0 } else { self.ttl.into() })
    }

    /// Reads all of its data, which may point back into the message.
    fn read<T>(&self, message: &[u8], read: impl FnOnce(&mut Reader) -> Option<T>) -> Result<T, Failure> {
        let end = self.data + self.len;
        let mut reader = Reader::new(message.get(..end).unwrap_or_default());
        let value = reader.take(self.data).and_then(|_| read(&mut reader)).filter(|_| reader.at() == end);
        value.ok_or(Failure::Malformed)
    }
}

/// From the name that was asked for to the one that has the records.
struct Chain {
    name: Name,
    /// Of the aliases, if there are any.
    ttl: Option<Duration>,
}

impl Chain {
    fn follow(message: &[u8], answers: &[Record], asked: &Asked) -> Result<Chain, Failure> {
        let mut chain = Chain { name: asked.question.name.clone(), ttl: None };
        for _ in 0..=MAX_CHAIN {
            let is_alias = |it: &&Record| it.kind == CNAME && it.class == INTERNET && it.owner == chain.name;
            let Some(alias) = answers.iter().find(is_alias) else { return Ok(chain) };
            chain.name = alias.read(message, |data| data.name())?;
            chain.ttl = Some(chain.ttl.map_or(alias.ttl(), |ttl| ttl.min(alias.ttl())));
        }
        Err(Failure::LongChain)
    }

    /// What the last name has, if anything.
    fn records(
        &self,
        message: &[u8],
        answers: &[Record],
        kind: RecordType,
    ) -> Result<Option<(Records, Duration)>, Failure> {
        let ours = |it: &&Record| it.kind == kind.code() && it.class == INTERNET && it.owner == self.name;
        let ours = || answers.iter().filter(ours);
        let Some(ttl) = ours().map(Record::ttl).chain(self.ttl).min().filter(|_| ours().next().is_some()) else {
            return Ok(None);
        };
        let records = match kind {
            RecordType::A => {
                let read = |it: &Record| it.read(message, |data| Some(Ipv4Addr::from_bits(data.u32()?).into()));
                Records::Addresses(ours().map(read).collect::<Result<_, _>>()?)
            }
            RecordType::Aaaa => {
                let octets = |data: &mut Reader| <[u8; 16]>::try_from(data.take(16)?).ok();
                let read = |it: &Record| it.read(message, |data| Some(Ipv6Addr::from(octets(data)?).into()));
                Records::Addresses(ours().map(read).collect::<Result<_, _>>()?)
            }
            RecordType::Srv => {
                let all: Vec<Srv> = ours().map(|it| it.read(message, read_srv)).collect::<Result<_, _>>()?;
                // RFC 2782: the root as a target says that the service is not here.
                let all: Vec<Srv> = all.into_iter().filter(|it| !it.target.is_root()).collect();
                if all.is_empty() {
                    return Ok(None);
                }
                Records::Srv(all)
            }
        };
        Ok(Some((records, ttl)))
    }
}

fn read_srv(data: &mut Reader) -> Option<Srv> {
    let srv = Srv { priority: data.u16()?, weight: data.u16()?, port: data.u16()?, target: data.name()? };
    // A target that is no host's name would be one in logs and certificates.
    (srv.target.is_root() || srv.target.is_plain() && srv.port != 0).then_some(srv)
}

/// RFC 2308 section 5: the lesser of the SOA's own time and its last field.
fn negative_ttl(message: &[u8], authority: &[Record]) -> Option<Duration> {
    let soa = authority.iter().find(|it| it.kind == SOA && it.class == INTERNET)?;
    let minimum = soa.read(message, |data| {
        let (_server, _mailbox, _numbers) = (data.name()?, data.name()?, data.take(16)?);
        data.u32()
    });
    Some(soa.ttl().min(Duration::from_secs(minimum.ok()?.into())))
}

/// RFC 2308 section 2.2: nothing but the names of other servers.
fn is_referral(authority: &[Record]) -> bool {
    let has = |kind| authority.iter().any(|record| record.kind == kind);
    has(NS) && !has(SOA)
}

#[cfg(test)]
mod tests;
