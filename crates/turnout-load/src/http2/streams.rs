//! The streams of a connection by their numbers.

use std::collections::VecDeque;

use super::LAST_STREAM;
use super::stream::Stream;
use crate::request::Pending;

/// Streams from `first_id` upwards, every second number; an ended one leaves a gap until all before it have ended.
#[derive(Debug)]
pub(super) struct Streams {
    slots: VecDeque<Option<Stream>>,
    first_id: u32,
    pub(super) in_flight: usize,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            slots: VecDeque::new(),
            first_id: 1,
            in_flight: 0,
        }
    }
}

impl Streams {
    /// The number of the stream that is pushed next.
    pub(super) fn next_id(&self) -> u32 {
        let known = u32::try_from(self.slots.len()).unwrap_or(LAST_STREAM / 2);
        self.first_id.saturating_add(known * 2)
    }

    pub(super) fn push(&mut self, stream: Stream) {
        self.slots.push_back(Some(stream));
        self.in_flight += 1;
    }

    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        let index = self.index(id)?;
        self.slots.get_mut(index)?.as_mut()
    }

    pub(super) fn take(&mut self, id: u32) -> Option<Stream> {
        let index = self.index(id)?;
        let stream = self.slots.get_mut(index)?.take()?;
        self.in_flight -= 1;
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first_id += 2;
        }
        Some(stream)
    }

    /// The stream that began first of those that are still open.
    pub(super) fn oldest(&self) -> Option<&Stream> {
        self.slots.front()?.as_ref()
    }

    pub(super) fn each(&mut self, change: impl FnMut(&mut Stream)) {
        self.slots.iter_mut().flatten().for_each(change);
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Pending> {
        self.in_flight = 0;
        self.slots.drain(..).flatten().map(|stream| stream.pending)
    }

    fn index(&self, id: u32) -> Option<usize> {
        let distance = id.checked_sub(self.first_id)?;
        usize::try_from(distance / 2).ok()
    }
}
