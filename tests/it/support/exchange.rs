//! One connection of a storm: a stream up and another down at the same time, each with pauses
//! and an end of its own.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::sleep;

use super::random::{Pattern, Random};

/// What both ends must know; the client tells it to the upstream in its first bytes.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    seed: u64,
    up: u64,
    down: u64,
}

impl Exchange {
    /// Sizes from nothing to 10 MB each way, every order of magnitude as likely as any other.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            seed,
            up: random.size(MAX_SIZE),
            down: random.size(MAX_SIZE),
        }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn bytes(&self) -> u64 {
        self.up + self.down
    }

    fn header(self) -> Vec<u8> {
        [self.seed, self.up, self.down]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    /// The phone's end. An error says what went wrong.
    pub async fn as_client<S>(self, stream: S) -> Result<(), String>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (mut reader, mut writer) = split(stream);
        let (all_read, told) = tokio::sync::oneshot::channel();
        let sending = tokio::spawn(async move {
            writer.write_all(&self.header()).await?;
            send(
                &mut writer,
                self.up_stream(),
                self.up,
                Random::new(self.seed),
            )
            .await?;
            // Every other client keeps its side open until the other one has ended.
            if self.seed.is_multiple_of(2) {
                let _ = told.await;
            }
            writer.shutdown().await
        });
        receive(
            &mut reader,
            self.down_stream(),
            self.down,
            Random::new(!self.seed),
        )
        .await?;
        let _ = all_read.send(());
        sending
            .await
            .unwrap()
            .map_err(|error| format!("sending: {error}"))
    }

    /// WhatsApp's end: the exchange, and whether all came as it was sent. `None` where no one
    /// said anything.
    pub async fn as_upstream<S>(stream: S) -> Option<(Self, Result<(), String>)>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (mut reader, mut writer) = split(stream);
        let mut numbers = [0; 3];
        for number in &mut numbers {
            *number = reader.read_u64().await.ok()?;
        }
        let [seed, up, down] = numbers;
        let exchange = Self { seed, up, down };
        let sending = tokio::spawn(async move {
            send(
                &mut writer,
                exchange.down_stream(),
                down,
                Random::new(seed ^ 1),
            )
            .await?;
            writer.shutdown().await
        });
        let received = receive(&mut reader, exchange.up_stream(), up, Random::new(seed ^ 2)).await;
        let sent = sending
            .await
            .unwrap()
            .map_err(|error| format!("sending: {error}"));
        Some((exchange, received.and(sent)))
    }

    fn up_stream(self) -> Pattern {
        Pattern::new(self.seed)
    }

    fn down_stream(self) -> Pattern {
        Pattern::new(!self.seed)
    }
}

const MAX_SIZE: u64 = 10_000_000;
const CHUNK: u64 = 16 * 1024;

async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    mut pattern: Pattern,
    length: u64,
    mut random: Random,
) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        let size = (1 + random.below(CHUNK)).min(left);
        let mut chunk = vec![0; usize::try_from(size).unwrap()];
        pattern.fill(&mut chunk);
        writer.write_all(&chunk).await?;
        left -= size;
        pause(&mut random).await;
    }
    writer.flush().await
}

/// Reads to the end and compares.
async fn receive(
    reader: &mut (impl AsyncRead + Unpin),
    mut pattern: Pattern,
    length: u64,
    mut random: Random,
) -> Result<(), String> {
    let mut buffer = vec![0; usize::try_from(CHUNK).unwrap()];
    let mut received = 0;
    loop {
        match reader
            .read(&mut buffer)
            .await
            .map_err(|error| format!("after {received} of {length}: {error}"))?
        {
            0 if received == length => return Ok(()),
            0 => return Err(format!("ended after {received} of {length}")),
            size => pattern
                .check(&buffer[..size])
                .map(|()| received += size as u64)?,
        }
        pause(&mut random).await;
    }
}

/// Now and then, a moment of nothing.
async fn pause(random: &mut Random) {
    if random.below(64) == 0 {
        sleep(Duration::from_millis(random.below(100))).await;
    }
}
