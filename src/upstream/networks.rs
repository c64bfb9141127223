//! The networks that this machine has an address in, as they are now. Nothing enters; an address
//! of ours with the length of its prefix leaves. Asks the kernel, and sends nothing to anyone.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Socket, Type};

// Of linux/netlink.h, linux/rtnetlink.h and linux/if_addr.h.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// Headers of a message, of an address in it, and of an attribute of that; the first two make a
/// question.
const NLMSGHDR: usize = 16;
const IFADDRMSG: usize = 8;
const RTATTR: usize = 4;
const QUESTION: u8 = 24;

/// The kernel writes no more at once to a reader who has no more room.
const ROOM: usize = 8192;

/// Every address of every interface, and on a link between two the other's as well.
pub(super) fn own() -> io::Result<Vec<IpNet>> {
    // Not by rustix, which opens sockets on i386 by a call that the sandbox cannot look into.
    let socket = Socket::new(libc::AF_NETLINK.into(), Type::DGRAM, None)?;
    send(&socket, &question(), SendFlags::empty())?;
    let mut room = vec![0; ROOM];
    let mut networks = Vec::new();
    loop {
        let (received, _) = recv(&socket, room.as_mut_slice(), RecvFlags::empty())?;
        let mut rest = room.get(..received).unwrap_or_default();
        while let Some((kind, body)) = message(&mut rest) {
            match kind {
                NLMSG_DONE => return Ok(networks),
                NLMSG_ERROR => return Err(Errno::IO.into()),
                RTM_NEWADDR => networks.extend(addresses(body)),
                _ => {}
            }
        }
    }
}

/// All addresses of all families.
fn question() -> Vec<u8> {
    let mut question = u32::from(QUESTION).to_ne_bytes().to_vec();
    question.extend(RTM_GETADDR.to_ne_bytes());
    question.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    question.resize(QUESTION.into(), 0);
    question
}

/// The next message: its type, and what follows its header.
fn message<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let [l, m, n, o, kind @ ..] = *rest.first_chunk::<6>()?;
    let length = u32::from_ne_bytes([l, m, n, o]);
    let message = take(rest, usize::try_from(length).ok()?)?;
    Some((u16::from_ne_bytes(kind), message.get(NLMSGHDR..)?))
}

fn addresses(body: &[u8]) -> Vec<IpNet> {
    let mut networks = Vec::new();
    let (Some(prefix), Some(mut rest)) = (body.get(1), body.get(IFADDRMSG..)) else {
        return networks;
    };
    while let Some((kind, value)) = attribute(&mut rest) {
        if matches!(kind, IFA_ADDRESS | IFA_LOCAL) {
            networks.extend(ip(value).and_then(|ip| IpNet::new(ip, *prefix).ok()));
        }
    }
    networks
}

/// The next attribute: its type and its value.
fn attribute<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let [l, m, kind @ ..] = *rest.first_chunk::<RTATTR>()?;
    let attribute = take(rest, u16::from_ne_bytes([l, m]).into())?;
    Some((u16::from_ne_bytes(kind), attribute.get(RTATTR..)?))
}

/// Takes a part of this length and what fills it up to a multiple of four.
fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let part = rest.get(..length)?;
    *rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some(part)
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_ours() {
        let loopback: IpNet = "127.0.0.1/8".parse().unwrap();
        assert!(own().unwrap().contains(&loopback));
    }

    #[test]
    fn a_message_that_is_cut_ends_the_reading() {
        let message_of_an_address = [
            32, 0, 0, 0, 20, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr
            2, 29, 0, 0, 1, 0, 0, 0, // ifaddrmsg
            8, 0, 2, 0, 198, 41, 1, 1, // IFA_LOCAL
        ];
        for end in 0..32 {
            assert_eq!(message(&mut &message_of_an_address[..end]), None);
        }
        if cfg!(target_endian = "little") {
            let (kind, body) = message(&mut &message_of_an_address[..]).unwrap();
            assert_eq!(kind, RTM_NEWADDR);
            assert_eq!(addresses(body), ["198.41.1.1/29".parse().unwrap()]);
            for end in 0..body.len() {
                assert_eq!(addresses(&body[..end]), []);
            }
        }
    }
}
