//! Writes log lines on a thread of its own, so that a log that is not read does not block
//! the command.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The maximum number of lines that wait. Further lines are dropped, so that a log that is
/// not read does not fill the memory.
const MAX_WAITING_LINES: usize = 10_000;
/// How long the end of a command waits until the waiting lines are written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    Flush(Sender<()>),
}

/// The destination of log lines. `write` never blocks.
#[derive(Clone)]
pub(crate) struct LogWriter(SyncSender<Message>);

/// When it is dropped, it waits until the lines are written, for at most a second. If so many
/// lines wait that there is no room for another, nothing reads them, and it does not wait.
#[must_use = "the last lines are lost if it is dropped at once"]
pub(crate) struct Flush(SyncSender<Message>);

impl LogWriter {
    pub(crate) fn start(out: impl Write + Send + 'static) -> (Self, Flush) {
        let (sender, lines) = sync_channel(MAX_WAITING_LINES);
        std::thread::spawn(move || write_lines(out, lines));
        (Self(sender.clone()), Flush(sender))
    }
}

fn write_lines(mut out: impl Write, lines: Receiver<Message>) {
    for message in lines {
        // The command must continue if its log cannot be written.
        match message {
            Message::Line(line) => drop(out.write_all(&line)),
            Message::Flush(done) => {
                let _ = out.flush();
                let _ = done.send(());
            }
        }
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.0.try_send(Message::Line(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let (done, wait) = channel();
        if self.0.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that passes each write to a channel without room, so that it blocks until
    /// the test reads it.
    struct Unread(SyncSender<Vec<u8>>);

    impl Write for Unread {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn log_that_is_not_read_blocks_nothing() {
        let (out, read) = sync_channel(0);
        let (ended, wait) = channel();
        std::thread::spawn(move || {
            let (mut writer, flush) = LogWriter::start(Unread(out));
            for _ in 0..3 * MAX_WAITING_LINES {
                writer.write_all(b"line\n").unwrap();
            }
            drop(flush);
            ended.send(()).unwrap();
        });
        let ended = wait.recv_timeout(Duration::from_secs(20));
        ended.expect("the command does not end");
        drop(read);
    }

    #[test]
    fn waiting_lines_are_written_at_the_end() {
        let (out, read) = sync_channel(2_000);
        let (mut writer, flush) = LogWriter::start(Unread(out));
        for n in 0..1_000 {
            writeln!(writer.make_writer(), "{n}").unwrap();
            writer.flush().unwrap();
        }
        drop(flush);
        let text: Vec<u8> = read.try_iter().flatten().collect();
        let lines: String = (0..1_000).map(|n| format!("{n}\n")).collect();
        assert_eq!(String::from_utf8(text).unwrap(), lines);
    }
}
