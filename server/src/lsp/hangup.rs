//! The ends of the pipes to whoever started this process.

use std::{fs::File, io};

/// Standard input and output without the buffers of the standard library.
pub fn pipes() -> io::Result<(File, File)> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        Ok((io::stdin().as_fd().try_clone_to_owned()?.into(), io::stdout().as_fd().try_clone_to_owned()?.into()))
    }
    #[cfg(windows)]
    {
        use std::os::windows::io::AsHandle;
        Ok((io::stdin().as_handle().try_clone_to_owned()?.into(), io::stdout().as_handle().try_clone_to_owned()?.into()))
    }
}

/// Waits until the other end of an input is closed, whatever is still to be read from it. False: this cannot be seen here.
#[cfg(unix)]
pub fn wait(input: &File) -> bool {
    use rustix::{
        event::{PollFd, PollFlags, poll},
        io::Errno,
    };
    loop {
        let mut poller = [PollFd::new(input, PollFlags::empty())];
        match poll(&mut poller, None) {
            Ok(_) if poller[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) => return true,
            Err(Errno::INTR) => {}
            _ => return false,
        }
    }
}

/// Waits until the other end of an input is closed, whatever is still to be read from it. False: this cannot be seen here.
#[cfg(not(unix))]
pub fn wait(_: &File) -> bool {
    false
}
