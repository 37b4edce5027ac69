//! Uploads through pinned memory, so that they return before the device has them.
//!
//! There are two halves. Uploads go through one until a recording is run, then through the other;
//! an event marks when the copies from a half are done, and the host waits for it only when it comes
//! back to that half. So the data of the next step is prepared while the device works on this one.

use std::rc::Rc;

use super::driver::{Context, Event, Pinned, Stream};
use super::error::Failed;

/// The least size of a block of pinned memory.
const BLOCK: usize = 1 << 20;
/// The most bytes of an upload that go through one block.
const CHUNK: usize = 64 << 20;
/// The most pinned bytes of a half.
const HALF: usize = 512 << 20;

/// Where each block of a half is used up to. It is kept apart from the blocks, so that it can be
/// tested without a device.
#[derive(Default, Debug)]
struct Room {
    /// Size and used bytes of each block.
    blocks: Vec<(usize, usize)>,
}

/// Where there is room.
#[derive(PartialEq, Eq, Debug)]
enum Place {
    /// In this block, from there on.
    In { block: usize, offset: usize },
    /// In a new block of this size.
    New { bytes: usize },
    /// Nowhere, until what is there has been copied.
    Full,
}

impl Room {
    fn find(&self, bytes: usize) -> Place {
        let fits = |(size, used): &(usize, usize)| size - used >= bytes;
        if let Some(block) = self.blocks.iter().position(fits) {
            return Place::In {
                block,
                offset: self.blocks[block].1,
            };
        }
        let all: usize = self.blocks.iter().map(|(size, _)| size).sum();
        let size = bytes.max(BLOCK);
        match all + size <= HALF || all == 0 {
            true => Place::New { bytes: size },
            false => Place::Full,
        }
    }

    fn clear(&mut self) {
        for (_, used) in &mut self.blocks {
            *used = 0;
        }
    }
}

/// One half.
#[derive(Debug)]
struct Half {
    room: Room,
    blocks: Vec<Pinned>,
    /// After the last copy from it.
    done: Event,
}

/// Pinned memory in two halves.
#[derive(Debug)]
pub struct Staging {
    context: Rc<Context>,
    halves: [Half; 2],
    current: usize,
}

impl Staging {
    /// Nothing is pinned yet.
    pub fn new(context: &Rc<Context>) -> Result<Staging, Failed> {
        let half = || -> Result<Half, Failed> {
            Ok(Half {
                room: Room::default(),
                blocks: Vec::new(),
                done: Event::new(context)?,
            })
        };
        Ok(Staging {
            context: Rc::clone(context),
            halves: [half()?, half()?],
            current: 0,
        })
    }

    /// Queues a copy of bytes to the device; they may be changed when this returns.
    pub fn upload(&mut self, stream: &Stream, target: u64, bytes: &[u8]) -> Result<(), Failed> {
        let mut target = target;
        for chunk in bytes.chunks(CHUNK) {
            self.chunk(stream, target, chunk)?;
            target += chunk.len() as u64;
        }
        Ok(())
    }

    fn chunk(&mut self, stream: &Stream, target: u64, bytes: &[u8]) -> Result<(), Failed> {
        let half = &mut self.halves[self.current];
        let mut place = half.room.find(bytes.len());
        if place == Place::Full {
            stream.synchronize()?;
            // Blocks that are too small for what comes now may be many: begin again.
            half.blocks.clear();
            half.room.blocks.clear();
            place = half.room.find(bytes.len());
        }
        let (block, offset) = match place {
            Place::In { block, offset } => (block, offset),
            Place::New { bytes } => {
                half.blocks.push(Pinned::new(&self.context, bytes)?);
                half.room.blocks.push((bytes, 0));
                (half.blocks.len() - 1, 0)
            }
            // A half without blocks is never full.
            Place::Full => return Ok(()),
        };
        stream.upload(target, &mut half.blocks[block], offset, bytes)?;
        // Copies begin at multiples of a cache line.
        let used = (offset + bytes.len()).next_multiple_of(64);
        half.room.blocks[block].1 = used.min(half.blocks[block].len());
        Ok(())
    }

    /// Goes over to the other half, and waits until the copies from it are done: to be called when
    /// the uploads of a run are queued.
    pub fn turn(&mut self, stream: &Stream) -> Result<(), Failed> {
        stream.record(&self.halves[self.current].done)?;
        self.current = 1 - self.current;
        let half = &mut self.halves[self.current];
        half.done.wait()?;
        half.room.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_used_again_and_bounded() {
        let mut room = Room::default();
        assert_eq!(room.find(10), Place::New { bytes: BLOCK });
        room.blocks.push((BLOCK, 0));
        assert_eq!(
            room.find(BLOCK),
            Place::In {
                block: 0,
                offset: 0
            }
        );
        room.blocks[0].1 = 64;
        assert_eq!(
            room.find(10),
            Place::In {
                block: 0,
                offset: 64
            }
        );
        assert_eq!(room.find(BLOCK), Place::New { bytes: BLOCK });
        for _ in 0..7 {
            room.blocks.push((CHUNK, CHUNK));
        }
        assert_eq!(room.find(CHUNK), Place::Full);
        assert_eq!(room.find(BLOCK), Place::New { bytes: BLOCK });
        room.clear();
        assert_eq!(
            room.find(CHUNK),
            Place::In {
                block: 1,
                offset: 0
            }
        );
        let most = [CHUNK, HALF].into_iter().max().unwrap_or(0);
        assert_ne!(Room::default().find(most), Place::Full);
    }
}
