//! SRTP: what was sealed opens once and to the same octets; what nobody sealed, or somebody changed,
//! does not open (SEC-85).

use media::srtp::{Material, OVERHEAD_MAX, Opener, Sealer, SrtpError, Suite};

use crate::octets::Octets;

/// The suite, where an octet is changed and how, and a packet.
pub(crate) fn packets(data: &[u8]) {
    let mut octets = Octets::new(data);
    let suite = Suite::ALL[octets.below(Suite::ALL.len())];
    let is_rtcp = octets.byte() & 1 == 1;
    let (place, change) = (usize::from(octets.byte()), octets.byte());
    let packet = octets.rest();
    let material = Material::new(suite, &vec![7; suite.material_len()]).expect("its length");
    let open = |opener: &mut Opener, packet: &mut [u8]| {
        if is_rtcp { opener.open_rtcp(packet) } else { opener.open_rtp(packet) }
    };
    let mut opener = Opener::new(&material);
    assert!(open(&mut opener, &mut packet.to_vec()).is_err(), "nobody sealed this");

    let sealer = Sealer::new(&material);
    let mut sealed = packet.to_vec();
    sealed.resize(packet.len() + OVERHEAD_MAX, 0);
    let length = if is_rtcp {
        sealer.seal_rtcp(&mut sealed, packet.len())
    } else {
        sealer.seal_rtp(&mut sealed, packet.len())
    };
    let Ok(length) = length else { return };
    sealed.truncate(length);
    if change != 0 {
        let mut changed = sealed.clone();
        changed[place % length] ^= change;
        assert!(open(&mut opener, &mut changed).is_err(), "octet {} was changed", place % length);
    }
    let mut opened = sealed.clone();
    let inner = open(&mut opener, &mut opened).expect("what was sealed opens");
    assert_eq!(opened.get(..inner), Some(packet));
    assert_eq!(open(&mut opener, &mut sealed.clone()), Err(SrtpError::Replay));
}
