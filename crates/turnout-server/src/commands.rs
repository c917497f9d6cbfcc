//! Calls that the control plane answers: each becomes an event, and waits for what Python says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;
use turnout_core::event::{Command, Event};
use turnout_core::{Error, Result};

use crate::events::Events;

/// Most that wait for an answer at one time; each may hold a message of [`MAX_COMMAND_BYTES`].
const MAX_WAITING: usize = 4;

/// Of one message. A list of ten thousand models is smaller.
pub(crate) const MAX_COMMAND_BYTES: usize = 4 << 20;

/// Those that wait.
#[derive(Debug, Default)]
pub(crate) struct Commands(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    replies: HashMap<u64, oneshot::Sender<Result<()>>>,
}

/// Nobody waits any more when it is dropped.
struct Place<'a> {
    commands: &'a Commands,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.commands.lock().replies.remove(&self.id);
    }
}

impl Commands {
    /// Has Python do something until `deadline`, and waits for its answer. Dropping the future leaves it undone or half done.
    ///
    /// # Errors
    /// Whatever Python answers; `request_too_large`; `overloaded` when too many wait or its queue is full;
    /// `deadline_exceeded`.
    pub(crate) async fn ask(
        &self,
        events: &Arc<Events>,
        kind: &'static str,
        message: &[u8],
        deadline: Instant,
    ) -> Result<()> {
        if message.len() > MAX_COMMAND_BYTES {
            let text = format!(
                "the message is too large: expected at most {MAX_COMMAND_BYTES} bytes, got {}",
                message.len()
            );
            return Err(Error::too_large(text));
        }
        let (place, answer) = self.enter()?;
        let left = deadline.saturating_duration_since(Instant::now());
        let command = Event::Command(Command {
            id: place.id,
            kind,
            timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            message: hexadecimal(message),
        });
        if !events.offer(command) {
            return Err(busy());
        }
        match tokio::time::timeout_at(deadline.into(), answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::unavailable("the server is closing")),
            Err(_) => Err(Error::deadline_exceeded(
                "the deadline passed before the control plane had an answer",
            )),
        }
    }

    /// Hands over the answer to a command; one that nobody waits for any more is dropped.
    pub(crate) fn answer(&self, id: u64, result: Result<()>) {
        let reply = self.lock().replies.remove(&id);
        if let Some(reply) = reply {
            let _ = reply.send(result);
        }
    }

    fn enter(&self) -> Result<(Place<'_>, oneshot::Receiver<Result<()>>)> {
        let mut waiting = self.lock();
        if waiting.replies.len() >= MAX_WAITING {
            return Err(busy());
        }
        waiting.last += 1;
        let id = waiting.last;
        let (reply, answer) = oneshot::channel();
        waiting.replies.insert(id, reply);
        drop(waiting);
        Ok((Place { commands: self, id }, answer))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn busy() -> Error {
    Error::overloaded("the control plane is busy with other commands")
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use turnout_core::ErrorCode;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn a_command_gets_its_own_answer_and_leaves_nothing() {
        let (commands, events) = (Commands::default(), Arc::new(Events::new(8)));
        let asked = commands.ask(&events, "reload_config", b"\x00\xfe", soon());
        let answered = async {
            let Some(Event::Command(command)) = events.next(Duration::ZERO) else {
                panic!("no command")
            };
            assert_eq!(
                (command.kind, command.message.as_str()),
                ("reload_config", "00fe")
            );
            commands.answer(command.id + 1, Ok(()));
            commands.answer(command.id, Err(Error::config_invalid("no")));
            commands.answer(command.id, Ok(()));
        };
        let (result, ()) = tokio::join!(asked, answered);
        assert_eq!(
            result.map_err(|error| error.code()),
            Err(ErrorCode::ConfigInvalid)
        );
        assert!(commands.lock().replies.is_empty());
    }

    #[tokio::test]
    async fn waiting_is_bounded_in_number_and_time() {
        let (commands, events) = (Commands::default(), Arc::new(Events::new(64)));
        let late = Instant::now() + Duration::from_millis(20);
        let ask = |deadline| commands.ask(&events, "x", b"", deadline);
        let (a, b, c, d, refused) =
            tokio::join!(ask(late), ask(late), ask(late), ask(late), ask(soon()));
        for result in [a, b, c, d] {
            assert_eq!(
                result.map_err(|error| error.code()),
                Err(ErrorCode::DeadlineExceeded)
            );
        }
        assert_eq!(
            refused.map_err(|error| error.code()),
            Err(ErrorCode::Overloaded)
        );
        assert!(commands.lock().replies.is_empty(), "and then there is room");
        let large = vec![0; MAX_COMMAND_BYTES + 1];
        let result = commands.ask(&events, "x", &large, soon()).await;
        assert_eq!(
            result.map_err(|error| error.code()),
            Err(ErrorCode::RequestTooLarge)
        );
    }
}
