//! Opening files whose names or places somebody else chose: a pipe, a socket or a device where a file should be must not
//! make anybody wait.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    path::Path,
};

/// Opens a regular file to read it; anything else is an error, told without waiting for it.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // Opening a pipe waits for somebody who writes, and a terminal may become that of this process.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")) }
}

/// The bytes of a regular file, or the size of one that is larger than `limit` bytes.
pub fn read(path: &Path, limit: u64) -> io::Result<Result<Vec<u8>, u64>> {
    let file = open(path)?;
    let size = file.metadata()?.len();
    if size > limit {
        return Ok(Err(size));
    }
    let mut bytes = Vec::with_capacity(size as usize + 1);
    // One byte more than allowed tells a file that grows while it is read.
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > limit { Err(bytes.len() as u64) } else { Ok(bytes) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(read(&path, 3).unwrap(), Ok(b"abc".to_vec()));
        assert_eq!(read(&path, 2).unwrap(), Err(3));
        assert!(read(folder.path(), 9).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn neither_pipes_nor_sockets_nor_devices_make_anybody_wait() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [pipe.as_path(), &socket, Path::new("/dev/zero"), Path::new("/dev/null")] {
            assert!(read(path, 9).is_err(), "{}", path.display());
        }
    }
}
