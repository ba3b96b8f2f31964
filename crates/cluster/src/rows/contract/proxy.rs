//! A way to Cassandra that can be cut.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use parking_lot::Mutex;

/// Hands connections on, while it is not cut.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    is_cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    #[expect(clippy::disallowed_methods, reason = "tests have no supervisor")]
    pub(super) fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            is_cut: Arc::default(),
            open: Arc::default(),
        };
        let (own, target) = (proxy.clone(), target.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                own.hand_on(client, &target);
            }
        });
        proxy
    }

    /// Ends all connections, and refuses new ones.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for stream in self.open.lock().drain(..) {
            let _closed = stream.shutdown(Shutdown::Both).is_ok();
        }
    }

    pub(super) fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }

    #[expect(clippy::disallowed_methods, reason = "tests have no supervisor")]
    fn hand_on(&self, client: TcpStream, target: &str) {
        if self.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(target) else {
            return;
        };
        for stream in [&client, &server] {
            self.open.lock().push(stream.try_clone().unwrap());
        }
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || copy(from, to));
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _closed = to.shutdown(Shutdown::Both).is_ok();
}
