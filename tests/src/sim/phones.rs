//! Phones of the world: what tests do with them and what they hear.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use media::Notify;
use sip_stack::endpoint::{LegId, LegView};
use sip_stack::flow::Flow;
use sip_stack::time::{Now, Seeded};
use switch::exchange::Input;
use switch::phone::{Behaviour, PhoneConfig, PhoneCore, PhoneEvent};

use super::world::{PhoneIndex, SWITCH, SimPhone, World};

impl World {
    /// A phone of a line, registered.
    pub fn phone(&mut self, number: &str) -> PhoneIndex {
        let phone = self.unregistered_phone(number, Behaviour::default());
        self.register(phone);
        phone
    }

    /// Registers a phone and waits for the 200.
    pub fn register(&mut self, phone: PhoneIndex) {
        let now = self.now;
        self.phones[phone.0].core.register(now, Duration::from_secs(3600));
        let number = self.phones[phone.0].core.number().to_owned();
        self.until(&format!("phone {number} registers"), |world| {
            world.take(phone, |event| *event == PhoneEvent::Registered { status: 200 }).is_some()
        });
    }

    /// A phone that the switch does not know yet.
    pub fn unregistered_phone(&mut self, number: &str, behaviour: Behaviour) -> PhoneIndex {
        let index = self.phones.len();
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let offset = u16::try_from(index).unwrap_or(u16::MAX) * 10;
        let address = SocketAddr::new(host, 6000 + offset);
        let rtp = SocketAddr::new(host, 40_000 + offset);
        let config = PhoneConfig {
            number: number.to_owned(),
            password: format!("pw-{number}"),
            domain: "office.test".to_owned(),
            flow: Flow::udp(address, SWITCH),
            rtp,
            behaviour,
        };
        let entropy = Seeded::new(self.seed.wrapping_mul(1000) + index as u64 + 1);
        self.phones.push(SimPhone {
            core: PhoneCore::new(config.clone(), Box::new(entropy)),
            config,
            address,
            rtp,
            events: VecDeque::new(),
            starts: 1,
        });
        PhoneIndex(index)
    }

    /// Cuts a phone off: nothing reaches it and nothing comes from it.
    pub fn unplug(&mut self, phone: PhoneIndex) {
        self.network.unplug(self.phones[phone.0].address);
    }

    /// The phone is on the network again.
    pub fn plug(&mut self, phone: PhoneIndex) {
        self.network.plug(self.phones[phone.0].address);
    }

    /// The phone loses its power and starts again at the same address: it knows of no call.
    pub fn restart(&mut self, phone: PhoneIndex) {
        let sim = &mut self.phones[phone.0];
        sim.starts += 1;
        let seed = self.seed.wrapping_mul(1000) + phone.0 as u64 + 1 + sim.starts * 100;
        sim.core = PhoneCore::new(sim.config.clone(), Box::new(Seeded::new(seed)));
        sim.events.clear();
    }

    /// Phones of the world.
    pub fn phone_count(&self) -> usize {
        self.phones.len()
    }

    /// The line of a phone.
    pub fn number(&self, phone: PhoneIndex) -> &str {
        self.phones[phone.0].core.number()
    }

    /// A phone's calls, always in the same order for a seed.
    pub fn legs(&self, phone: PhoneIndex) -> Vec<LegId> {
        let core = &self.phones[phone.0].core;
        let mut legs = core.legs();
        legs.sort_by_key(|leg| core.leg(*leg).map(|view| view.local_tag.to_owned()));
        legs
    }

    /// What the phone's SIP knows of a call.
    pub fn leg(&self, phone: PhoneIndex, leg: LegId) -> Option<LegView<'_>> {
        self.phones[phone.0].core.leg(leg)
    }

    /// The relay port that a phone sends a call's media to.
    pub fn relay_port(&self, phone: PhoneIndex, leg: LegId) -> Option<u16> {
        self.phones[phone.0].core.far_media(leg).map(|(relay, _)| relay.port())
    }

    /// A key is pressed at a phone and travels as a telephone-event; false if the phone has nobody
    /// to send it to.
    pub fn press(&mut self, phone: PhoneIndex, leg: LegId, digit: char) -> bool {
        let port = self.relay_port(phone, leg);
        let owner = port.and_then(|port| self.media.with(|model| model.owner(port)));
        let Some((id, stream)) = owner else { return false };
        let port = port.unwrap_or_default();
        if self.media.with(|model| model.watch(port)).keys {
            self.input(Input::Media(Notify::Key { id, stream, digit }));
        }
        let duration = Duration::from_millis(100);
        self.input(Input::Media(Notify::Digit { id, stream, digit, duration }));
        true
    }

    /// Does something with a phone, at the world's time.
    pub fn with_phone<T>(
        &mut self,
        phone: PhoneIndex,
        act: impl FnOnce(&mut PhoneCore, Now) -> T,
    ) -> T {
        let now = self.now;
        let result = act(&mut self.phones[phone.0].core, now);
        self.flush_phones();
        result
    }

    /// The oldest event of a phone that fits; it is taken away with all before it.
    pub fn take(
        &mut self,
        phone: PhoneIndex,
        wanted: impl Fn(&PhoneEvent) -> bool,
    ) -> Option<PhoneEvent> {
        let events = &mut self.phones[phone.0].events;
        let index = events.iter().position(wanted)?;
        events.drain(..=index).next_back()
    }

    /// The oldest event of a phone that fits; those before it stay.
    pub fn pick(
        &mut self,
        phone: PhoneIndex,
        wanted: impl Fn(&PhoneEvent) -> bool,
    ) -> Option<PhoneEvent> {
        let events = &mut self.phones[phone.0].events;
        let index = events.iter().position(wanted)?;
        events.remove(index)
    }

    /// Waits until a phone is called, and gives the call.
    pub fn incoming(&mut self, phone: PhoneIndex) -> LegId {
        let mut found = None;
        self.until("a phone is called", |world| {
            if let Some(PhoneEvent::Incoming { leg, .. }) =
                world.take(phone, |event| matches!(event, PhoneEvent::Incoming { .. }))
            {
                found = Some(leg);
            }
            found.is_some()
        });
        found.expect("until returned")
    }

    /// Waits for an event of a phone.
    pub fn expect(&mut self, phone: PhoneIndex, what: &str, wanted: impl Fn(&PhoneEvent) -> bool) {
        self.until(what, |world| world.take(phone, &wanted).is_some());
    }

    /// `a` calls `b`, which answers; both calls.
    pub fn connected(&mut self, a: PhoneIndex, b: PhoneIndex) -> (LegId, LegId) {
        let number = self.phones[b.0].core.number().to_owned();
        let near = self.with_phone(a, |phone, now| phone.call(now, &number)).expect("a free leg");
        let far = self.incoming(b);
        self.with_phone(b, |phone, now| phone.answer(now, far));
        self.expect(
            a,
            "the call is answered",
            |event| matches!(event, PhoneEvent::Connected { leg } if *leg == near),
        );
        self.expect(
            b,
            "the answer is confirmed",
            |event| matches!(event, PhoneEvent::Connected { leg } if *leg == far),
        );
        (near, far)
    }

    /// Whether what `from` says on a call reaches `to`.
    pub fn hears(&self, to: PhoneIndex, from: PhoneIndex, leg: LegId) -> bool {
        let speaker = &self.phones[from.0];
        if !speaker.core.may_send(leg) {
            return false;
        }
        let Some((relay, _)) = speaker.core.far_media(leg) else { return false };
        let heard_at = self.media.with(|model| model.destinations(relay.port()));
        heard_at.contains(&self.phones[to.0].rtp)
    }

    /// What a phone hears on a call instead of its peer.
    pub fn treatment(&self, phone: PhoneIndex, leg: LegId) -> media::Treatment {
        let relay = self.phones[phone.0].core.far_media(leg).map(|(relay, _)| relay.port());
        relay.map(|port| self.media.with(|model| model.treatment(port))).unwrap_or_default()
    }
}
