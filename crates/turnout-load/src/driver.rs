//! The one loop: sends what is due, reads what has come, keeps the book.

use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::time::{self, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};

use crate::clock::{cpu_seconds, now_ns, timespec};
use crate::connection::{Connection, Progress};
use crate::control::{Command, Control, Input};
use crate::group::{AnswerLog, Group};
use crate::plan::Plan;
use crate::report::Report;

const CONTROL: u64 = u64::MAX;
const ALARM: u64 = u64::MAX - 1;
const MAX_EVENTS: usize = 256;
/// How often time-outs and lost connections are looked after.
const TICK_NS: u64 = 50_000_000;
/// Nearer than this, waiting for the alarm costs more than looking at the clock.
const SPIN_NS: u64 = 30_000;
const MAX_SPIN_NS: u64 = 2_000_000;

/// A place for a connection of a group.
struct Place {
    group: usize,
    connection: Option<Connection>,
}

pub(crate) struct Driver {
    epoll: OwnedFd,
    alarm: OwnedFd,
    control: Control,
    groups: Vec<Group>,
    places: Vec<Place>,
    /// Where the search for a free connection goes on, per group.
    cursors: Vec<usize>,
    log: Option<AnswerLog>,
    spin: bool,
    timeout_ns: u64,
    duration_ns: Option<u64>,
    started_ns: u64,
    measured_from: Option<(u64, f64)>,
    warm_at_ns: u64,
    stop_at_ns: Option<u64>,
    next_tick_ns: u64,
}

fn nanoseconds(seconds: f64) -> u64 {
    u64::try_from(std::time::Duration::from_secs_f64(seconds).as_nanos()).unwrap_or(u64::MAX)
}

impl Driver {
    pub(crate) fn new(plan: &Plan) -> Result<Self, String> {
        let started_ns = now_ns();
        let io = |error: rustix::io::Errno| format!("cannot set up epoll: {error}");
        let groups = plan.groups.iter().zip(1u64..);
        let groups = groups
            .map(|(group, number)| Group::new(group, number << 48, started_ns))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).map_err(io)?,
            alarm: time::timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
            )
            .map_err(io)?,
            control: Control::default(),
            cursors: vec![0; groups.len()],
            groups,
            places: Vec::new(),
            log: plan
                .answers_file
                .as_deref()
                .map(AnswerLog::create)
                .transpose()?,
            spin: plan.spin,
            timeout_ns: nanoseconds(plan.timeout_s),
            duration_ns: plan.duration_s.map(nanoseconds),
            started_ns,
            measured_from: None,
            warm_at_ns: started_ns + nanoseconds(plan.warmup_s),
            stop_at_ns: None,
            next_tick_ns: started_ns,
        })
    }

    /// Runs to the end and returns the report.
    pub(crate) fn run(mut self) -> Result<Report, String> {
        self.set_up()?;
        let mut events: Vec<Event> = Vec::with_capacity(MAX_EVENTS);
        loop {
            let now = now_ns();
            if now >= self.next_tick_ns {
                self.tick(now)?;
                if self.is_over(now) {
                    break;
                }
            }
            self.send_due(now);
            events.clear();
            let timeout = timespec(self.wait_ns(now_ns()));
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(format!("waiting failed: {error}")),
            }
            for event in &events {
                self.event(event)?;
            }
        }
        self.finish()
    }

    fn set_up(&mut self) -> Result<(), String> {
        let io = |error: rustix::io::Errno| format!("cannot set up epoll: {error}");
        let alarm = EventData::new_u64(ALARM);
        epoll::add(
            &self.epoll,
            &self.alarm,
            alarm,
            EventFlags::IN | EventFlags::ET,
        )
        .map_err(io)?;
        let heard = Control::watch(&self.epoll, CONTROL);
        if !heard && self.duration_ns.is_none() {
            return Err("a run without `duration_s` needs a pipe as standard input".to_owned());
        }
        for group in 0..self.groups.len() {
            self.groups[group]
                .book
                .begin_phase("warmup", self.started_ns);
            for _ in 0..self.groups[group].connections {
                self.places.push(Place {
                    group,
                    connection: None,
                });
                self.connect(self.places.len() - 1).map_err(|error| {
                    format!("cannot connect to {}: {error}", self.groups[group].address)
                })?;
            }
        }
        Ok(())
    }

    fn connect(&mut self, place: usize) -> std::io::Result<()> {
        let group = &self.groups[self.places[place].group];
        let connection = Connection::open(group.door, &group.address)?;
        let data = EventData::new_u64(place as u64);
        epoll::add(&self.epoll, &connection.socket, data, EventFlags::IN)?;
        self.places[place].connection = Some(connection);
        self.fill(place, now_ns());
        self.flush(place);
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        self.stop_at_ns.is_some()
    }

    /// What is done now and then: phases, time-outs, connections that were lost.
    fn tick(&mut self, now: u64) -> Result<(), String> {
        self.next_tick_ns = now + TICK_NS;
        if now >= self.warm_at_ns && self.measured_from.is_none() {
            self.begin_phase("measured", now);
            self.measured_from = Some((now, cpu_seconds()));
            crate::print_line(r#"{"event": "measuring"}"#)?;
        }
        let end = self.measured_from.zip(self.duration_ns);
        if end.is_some_and(|((from, _), duration)| now >= from + duration) && !self.is_stopping() {
            self.stop_at_ns = Some(now);
        }
        for place in 0..self.places.len() {
            self.look_after(place, now);
        }
        Ok(())
    }

    fn look_after(&mut self, place: usize, now: u64) {
        let Some(connection) = &self.places[place].connection else {
            if !self.is_stopping() && self.connect(place).is_err() {
                let group = self.places[place].group;
                self.groups[group].book.refused_connects += 1;
            }
            return;
        };
        let oldest = connection.oldest_sent_ns();
        if oldest.is_some_and(|sent| now.saturating_sub(sent) > self.timeout_ns) {
            self.lose(place, "timeout", "no answer within `timeout_s`");
        }
    }

    fn is_over(&self, now: u64) -> bool {
        let Some(stopped) = self.stop_at_ns else {
            return false;
        };
        let mut connections = self
            .places
            .iter()
            .filter_map(|place| place.connection.as_ref());
        connections.all(|connection| connection.in_flight() == 0)
            || now > stopped + self.timeout_ns + 2 * TICK_NS
    }

    fn begin_phase(&mut self, name: &str, now: u64) {
        for group in &mut self.groups {
            group.book.begin_phase(name, now);
        }
    }

    /// How long the loop may sleep. Sets the alarm for what is due before the next tick.
    fn wait_ns(&mut self, now: u64) -> u64 {
        let until_tick = self.next_tick_ns.saturating_sub(now).div_ceil(1_000_000) * 1_000_000;
        let due = self.groups.iter().enumerate().filter_map(|(index, group)| {
            let open = group.open_loop.as_ref()?;
            self.free_place(index).map(|_| open.next_ns())
        });
        let Some(due) = due.min().filter(|_| !self.is_stopping()) else {
            return until_tick;
        };
        let until_due = due.saturating_sub(now);
        if until_due <= SPIN_NS || (self.spin && until_due <= MAX_SPIN_NS) {
            return 0;
        }
        let alarm = Itimerspec {
            it_interval: timespec(0),
            it_value: timespec(due),
        };
        match time::timerfd_settime(&self.alarm, TimerfdTimerFlags::ABSTIME, &alarm) {
            Ok(_) => until_tick,
            Err(_) => 0,
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), String> {
        let data = event.data;
        match data.u64() {
            ALARM => Ok(()),
            CONTROL => self.commands(),
            place => {
                self.readable(usize::try_from(place).expect("bug: a place is an index"));
                Ok(())
            }
        }
    }

    fn commands(&mut self) -> Result<(), String> {
        let now = now_ns();
        match self.control.read()? {
            Input::Closed => {
                epoll::delete(&self.epoll, std::io::stdin()).map_err(|error| error.to_string())?;
                if self.duration_ns.is_none() {
                    self.stop_at_ns.get_or_insert(now);
                }
            }
            Input::Commands(commands) => {
                for command in commands {
                    match command {
                        Command::Phase(name) => self.begin_phase(&name, now),
                        Command::Stop => drop(self.stop_at_ns.get_or_insert(now)),
                    }
                }
            }
        }
        Ok(())
    }

    /// A socket has something to read, can be written to again, or has ended.
    fn readable(&mut self, place: usize) {
        let Place {
            group,
            connection: Some(connection),
        } = &mut self.places[place]
        else {
            return;
        };
        let group_index = *group;
        let Group {
            templates, book, ..
        } = &mut self.groups[group_index];
        let log = &mut self.log;
        if let Some(log) = log {
            log.group = u32::try_from(group_index).unwrap_or(u32::MAX);
        }
        let read = connection.read();
        let now = now_ns();
        let digested = connection.digest(templates, &mut |pending, outcome| {
            book.ended(pending, outcome, now, log);
        });
        let finished = connection.is_finished();
        match (digested, read) {
            (Err(fault), _) => self.lose(place, "malformed", &fault),
            (_, Err(fault)) => self.lose(place, "connection_lost", &fault),
            (_, Ok(Progress::Ended)) => {
                self.lose(place, "connection_lost", "the server ended the connection");
            }
            (Ok(()), Ok(Progress::Open)) if finished => self.lose(place, "connection_lost", ""),
            (Ok(()), Ok(Progress::Open)) => {
                self.fill(place, now);
                self.flush(place);
            }
        }
    }

    /// Closed loop: starts as many requests as the connection takes.
    fn fill(&mut self, place: usize, now: u64) {
        if self.is_stopping() {
            return;
        }
        let Place {
            group,
            connection: Some(connection),
        } = &mut self.places[place]
        else {
            return;
        };
        let Group {
            templates,
            book,
            depth,
            open_loop,
            ..
        } = &mut self.groups[*group];
        while connection.can_start(*depth) && (open_loop.is_none() || book.has_again()) {
            connection.start(templates, book.next_request(now, now));
        }
    }

    /// Open loop: starts what is due on connections that are free.
    fn send_due(&mut self, now: u64) {
        if self.is_stopping() {
            return;
        }
        for group in 0..self.groups.len() {
            while let Some(place) = self.free_place(group) {
                let Group {
                    templates,
                    book,
                    open_loop: Some(open),
                    ..
                } = &mut self.groups[group]
                else {
                    break;
                };
                let Some(intended) = open.take_due(now) else {
                    break;
                };
                let Some(connection) = &mut self.places[place].connection else {
                    break;
                };
                connection.start(templates, book.next_request(intended, now_ns()));
                self.cursors[group] = place + 1;
                self.flush(place);
            }
        }
    }

    /// A connection of the group that can take a request, in turn.
    fn free_place(&self, group: usize) -> Option<usize> {
        let count = self.places.len();
        let depth = self.groups[group].depth;
        let places = (0..count).map(|step| (self.cursors[group] + step) % count);
        places
            .filter(|place| self.places[*place].group == group)
            .find(|place| {
                let connection = self.places[*place].connection.as_ref();
                connection.is_some_and(|connection| connection.can_start(depth))
            })
    }

    fn flush(&mut self, place: usize) {
        let Some(connection) = &mut self.places[place].connection else {
            return;
        };
        let blocked = match connection.flush() {
            Ok(whole) => !whole,
            // What the server answered before it ended the connection is still to be read.
            Err(_) => return,
        };
        if blocked == connection.watches_writable {
            return;
        }
        connection.watches_writable = blocked;
        let flags = if blocked {
            EventFlags::IN | EventFlags::OUT
        } else {
            EventFlags::IN
        };
        let data = EventData::new_u64(place as u64);
        if let Err(error) = epoll::modify(&self.epoll, &connection.socket, data, flags) {
            self.lose(place, "connection_lost", &error.to_string());
        }
    }

    /// Drops a connection; what it was asked has failed.
    fn lose(&mut self, place: usize, kind: &'static str, reason: &str) {
        let Some(mut connection) = self.places[place].connection.take() else {
            return;
        };
        let now = now_ns();
        let group = self.places[place].group;
        let stopping = self.is_stopping();
        let (book, log) = (&mut self.groups[group].book, &mut self.log);
        connection.lose(kind, reason, &mut |pending, outcome| {
            book.ended(pending, outcome, now, log);
        });
        drop(connection);
        if stopping {
            return;
        }
        book.reconnects += 1;
        if self.connect(place).is_err() {
            self.groups[group].book.refused_connects += 1;
        }
    }

    fn finish(self) -> Result<Report, String> {
        let ended_ns = now_ns();
        let stopped_ns = self.stop_at_ns.unwrap_or(ended_ns);
        let (from, cpu) = self.measured_from.unwrap_or((self.started_ns, 0.0));
        self.log.map_or(Ok(()), AnswerLog::finish)?;
        Ok(Report {
            event: "report",
            started_ns: self.started_ns,
            ended_ns,
            client_cpu_s: cpu_seconds() - cpu,
            client_wall_s: ended_ns.saturating_sub(from) as f64 / 1e9,
            groups: self
                .groups
                .iter()
                .map(|group| group.report(stopped_ns))
                .collect(),
        })
    }
}
