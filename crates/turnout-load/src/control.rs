//! Commands on standard input, one a line.

use rustix::event::epoll;

/// What the one who started the run wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Phase(String),
    Stop,
}

/// The bytes that have come in so far.
#[derive(Debug, Default)]
pub(crate) struct Control {
    line: Vec<u8>,
}

/// What one look at standard input gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Commands(Vec<Command>),
    /// Nobody will say anything more.
    Closed,
}

impl Control {
    /// Asks epoll to tell about input. Files and devices that epoll refuses say nothing.
    pub(crate) fn watch(epoll: &impl std::os::fd::AsFd, token: u64) -> bool {
        let data = epoll::EventData::new_u64(token);
        epoll::add(epoll, std::io::stdin(), data, epoll::EventFlags::IN).is_ok()
    }

    /// Reads what epoll reported.
    pub(crate) fn read(&mut self) -> Result<Input, String> {
        let mut bytes = [0; 4096];
        let count = rustix::io::read(std::io::stdin(), &mut bytes)
            .map_err(|error| format!("cannot read standard input: {error}"))?;
        if count == 0 {
            return Ok(Input::Closed);
        }
        self.take(&bytes[..count]).map(Input::Commands)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Vec<Command>, String> {
        let mut commands = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            commands.push(parse(line.trim())?);
        }
        Ok(commands)
    }
}

fn parse(line: &str) -> Result<Command, String> {
    match line.split_once(' ') {
        Some(("phase", name)) => Ok(Command::Phase(name.trim().to_owned())),
        None if line == "stop" => Ok(Command::Stop),
        _ => Err(format!(
            "not a command, expected `phase NAME` or `stop`: `{line}`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_whole_lines() {
        let mut control = Control::default();
        assert_eq!(control.take(b"phase swa").unwrap(), []);
        let commands = control.take(b"ps\nstop\nph").unwrap();
        assert_eq!(commands, [Command::Phase("swaps".into()), Command::Stop]);
        assert!(control.take(b"antom\n").is_err());
    }
}
