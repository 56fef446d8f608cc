//! A model of the relay: who would hear whom, and whether every port came back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use media::{
    Audience, CONFERENCES_MAX, ConferenceId, Country, Format, MEMBERS_MAX, MediaError, MediaPlane,
    MemberCodec, PayloadMap, Performance, Sound, SoundId, Speaker, StreamPorts, StreamSpec,
    StreamStatistics, Termination, TerminationId, TerminationStatistics, Treatment, Watch,
};

/// One stream of a termination.
#[derive(Clone, Debug, Default)]
struct Stream {
    port: u16,
    spec: Option<StreamSpec>,
    peer: Option<(TerminationId, usize)>,
    seat: Option<(ConferenceId, MemberCodec)>,
    /// Its codec, where its peer's is another.
    speaks: Vec<MemberCodec>,
    audience: Audience,
    treatment: Treatment,
    performance: Option<(u64, Performance)>,
    watch: Watch,
}

/// The model's state.
#[derive(Debug, Default)]
pub struct MediaModel {
    terminations: BTreeMap<TerminationId, Vec<Stream>>,
    conferences: BTreeSet<ConferenceId>,
    next_conference: u32,
    next: u32,
    next_port: u16,
    limit: Option<usize>,
    sounds: BTreeMap<SoundId, Sound>,
    country: Country,
}

/// The model, shared between the exchange and the test that looks at it.
#[derive(Clone, Debug, Default)]
pub struct SharedMedia(Arc<Mutex<MediaModel>>);

impl SharedMedia {
    /// Runs `look` on the model.
    pub fn with<T>(&self, look: impl FnOnce(&mut MediaModel) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl MediaModel {
    /// Terminations that exist.
    pub fn count(&self) -> usize {
        self.terminations.len()
    }

    /// At most this many terminations from now on.
    pub fn limit(&mut self, most: usize) {
        self.limit = Some(most);
    }

    /// What a packet sent to relay port `port` leads to: the address it leaves for, if any.
    pub fn destination(&self, port: u16) -> Option<std::net::SocketAddr> {
        let stream = self.by_port(port)?;
        if !stream.spec.as_ref().is_some_and(|spec| spec.receive) {
            return None;
        }
        let (peer, index) = stream.peer?;
        let other = self.terminations.get(&peer)?.get(index)?;
        let spec = other.spec.as_ref()?;
        (spec.send && other.treatment == Treatment::None).then_some(spec.remote?)
    }

    /// Who hears what arrives at relay port `port`: the connected party, or the other members of a
    /// conference.
    pub fn destinations(&self, port: u16) -> Vec<std::net::SocketAddr> {
        let Some(speaker) = self.by_port(port) else { return Vec::new() };
        let Some((conference, _)) = speaker.seat else {
            return self.destination(port).into_iter().collect();
        };
        let is_receiving = speaker.spec.as_ref().is_some_and(|spec| spec.receive);
        let others = self.terminations.values().flatten().filter(|other| {
            let is_meant = match speaker.audience {
                Audience::All => true,
                Audience::Nobody => false,
                Audience::Only(id) => self
                    .terminations
                    .get(&id)
                    .is_some_and(|streams| streams.iter().any(|stream| stream.port == other.port)),
            };
            is_receiving
                && is_meant
                && other.port != port
                && other.seat.is_some_and(|seat| seat.0 == conference)
        });
        let heard = others.filter(|other| other.treatment == Treatment::None);
        let specs = heard.filter_map(|other| other.spec.as_ref()).filter(|spec| spec.send);
        specs.filter_map(|spec| spec.remote).collect()
    }

    /// Conferences that exist.
    pub fn conferences(&self) -> usize {
        self.conferences.len()
    }

    /// The conference that the stream behind a relay port is in, and what it speaks there.
    pub fn seat(&self, port: u16) -> Option<(ConferenceId, MemberCodec)> {
        self.by_port(port)?.seat
    }

    /// The relay port at the far end of what arrives at `port`, if it is passed on at all.
    pub fn leads_to(&self, port: u16) -> Option<u16> {
        self.destination(port)?;
        let (peer, index) = self.by_port(port)?.peer?;
        Some(self.terminations.get(&peer)?.get(index)?.port)
    }

    /// What the party behind a relay port speaks, where it is translated for its peer.
    pub fn translated(&self, port: u16) -> Option<MemberCodec> {
        self.by_port(port)?.speaks.first().copied()
    }

    /// The stream behind a relay port.
    pub fn owner(&self, port: u16) -> Option<(TerminationId, usize)> {
        self.terminations.iter().find_map(|(id, streams)| {
            let index = streams.iter().position(|stream| stream.port == port)?;
            Some((*id, index))
        })
    }

    /// There are ports for everybody from now on.
    pub fn unlimited(&mut self) {
        self.limit = None;
    }

    /// What must hold between two inputs: whoever is connected is connected both ways.
    ///
    /// Errors: a sentence that names the broken invariant.
    pub fn check(&self) -> Result<(), String> {
        for (id, streams) in &self.terminations {
            for (index, stream) in streams.iter().enumerate() {
                if let Some((conference, _)) = stream.seat {
                    if stream.peer.is_some() {
                        return Err(format!("{id:?} is in a conference and connected"));
                    }
                    if !self.conferences.contains(&conference) {
                        return Err(format!("{id:?} is in {conference:?}, which is gone"));
                    }
                }
                let Some((peer, far)) = stream.peer else { continue };
                let back = self.terminations.get(&peer).and_then(|streams| streams.get(far));
                if back.and_then(|back| back.peer) != Some((*id, index)) {
                    return Err(format!("{id:?} hears {peer:?}, but not the other way round"));
                }
            }
        }
        Ok(())
    }

    /// What the party behind relay port `port` hears instead of its peer.
    pub fn treatment(&self, port: u16) -> Treatment {
        self.by_port(port).map(|stream| stream.treatment).unwrap_or_default()
    }

    /// What is being played once to the party behind a relay port, and its ticket. It goes on until
    /// the test says that it is over.
    pub fn performance(&self, port: u16) -> Option<(u64, Performance)> {
        self.by_port(port)?.performance.clone()
    }

    /// What is listened for at a relay port.
    pub fn watch(&self, port: u16) -> Watch {
        self.by_port(port).map(|stream| stream.watch.clone()).unwrap_or_default()
    }

    /// A recording that the exchange gave to the relay.
    pub fn sound(&self, name: SoundId) -> Option<Sound> {
        self.sounds.get(&name).cloned()
    }

    /// Whose tones are played.
    pub fn country(&self) -> Country {
        self.country
    }

    fn by_port(&self, port: u16) -> Option<&Stream> {
        self.terminations.values().flatten().find(|stream| stream.port == port)
    }

    fn stream(&mut self, id: TerminationId, stream: usize) -> Option<&mut Stream> {
        self.terminations.get_mut(&id)?.get_mut(stream)
    }

    fn new_stream(&mut self) -> (Stream, StreamPorts) {
        self.next_port = if self.next_port < 20_000 { 20_000 } else { self.next_port + 2 };
        if self.next_port > 60_000 {
            self.next_port = 20_000;
        }
        let ports = StreamPorts { rtp: self.next_port, rtcp: self.next_port + 1 };
        (Stream { port: ports.rtp, ..Stream::default() }, ports)
    }

    fn stand_up(&mut self, (id, stream): (TerminationId, usize)) {
        if let Some(stream) = self.stream(id, stream) {
            stream.seat = None;
        }
    }

    fn unlink(&mut self, id: TerminationId, stream: usize) {
        let own = self.stream(id, stream);
        let peer = own.and_then(|stream| {
            stream.speaks.clear();
            stream.peer.take()
        });
        if let Some((peer, index)) = peer
            && let Some(other) = self.stream(peer, index)
        {
            other.peer = None;
            other.speaks.clear();
        }
    }
}

impl MediaPlane for SharedMedia {
    fn add(&mut self, streams: usize) -> Result<Termination, MediaError> {
        self.with(|model| {
            if model.limit.is_some_and(|most| model.terminations.len() >= most) {
                return Err(MediaError::PortsExhausted);
            }
            model.next += 1;
            let id = TerminationId::new(model.next, 0);
            let (made, ports) = (0..streams).map(|_| model.new_stream()).unzip();
            model.terminations.insert(id, made);
            Ok(Termination { id, streams: ports })
        })
    }

    fn add_stream(&mut self, id: TerminationId) -> Result<StreamPorts, MediaError> {
        self.with(|model| {
            let (stream, ports) = model.new_stream();
            let termination = model.terminations.get_mut(&id);
            termination.ok_or(MediaError::UnknownTermination)?.push(stream);
            Ok(ports)
        })
    }

    fn modify(&mut self, id: TerminationId, stream: usize, spec: StreamSpec) {
        self.with(|model| {
            if let Some(stream) = model.stream(id, stream) {
                stream.spec = Some(spec);
            }
        });
    }

    fn connect(
        &mut self,
        a: (TerminationId, usize),
        b: (TerminationId, usize),
        _a_to_b: PayloadMap,
        _b_to_a: PayloadMap,
    ) {
        self.with(|model| {
            for key in [a, b] {
                model.unlink(key.0, key.1);
                model.stand_up(key);
            }
            for (one, other) in [(a, b), (b, a)] {
                if let Some(stream) = model.stream(one.0, one.1) {
                    stream.peer = Some(other);
                }
            }
        });
    }

    fn disconnect(&mut self, id: TerminationId, stream: usize) {
        self.with(|model| model.unlink(id, stream));
    }

    fn transcode(&mut self, a: Speaker, b: Speaker) -> Result<(), MediaError> {
        let keys = [a.stream, b.stream];
        let is_known = |(id, stream)| self.with(|model| model.stream(id, stream).is_some());
        if !keys.into_iter().all(is_known) {
            return Err(MediaError::UnknownTermination);
        }
        self.connect(a.stream, b.stream, a.passes, b.passes);
        self.with(|model| {
            for (key, speaks) in [(a.stream, a.speaks), (b.stream, b.speaks)] {
                if let Some(stream) = model.stream(key.0, key.1) {
                    stream.speaks = speaks;
                }
            }
        });
        Ok(())
    }

    fn new_conference(&mut self) -> Result<ConferenceId, MediaError> {
        self.with(|model| {
            if model.conferences.len() >= CONFERENCES_MAX {
                return Err(MediaError::TooManyConferences);
            }
            model.next_conference += 1;
            let id = ConferenceId::new(model.next_conference, 0);
            model.conferences.insert(id);
            Ok(id)
        })
    }

    fn join(
        &mut self,
        conference: ConferenceId,
        id: TerminationId,
        stream: usize,
        codec: MemberCodec,
    ) -> Result<(), MediaError> {
        self.with(|model| {
            if !model.conferences.contains(&conference) {
                return Err(MediaError::UnknownConference);
            }
            let is_in = |stream: &&Stream| stream.seat.is_some_and(|seat| seat.0 == conference);
            let is_member = model.stream(id, stream).is_some_and(|stream| is_in(&&*stream));
            let members = model.terminations.values().flatten().filter(is_in).count();
            if members >= MEMBERS_MAX && !is_member {
                return Err(MediaError::ConferenceFull);
            }
            model.unlink(id, stream);
            let stream = model.stream(id, stream).ok_or(MediaError::UnknownTermination)?;
            if stream.seat != Some((conference, codec)) {
                stream.audience = Audience::All;
            }
            stream.seat = Some((conference, codec));
            Ok(())
        })
    }

    fn set_audience(&mut self, id: TerminationId, stream: usize, audience: Audience) {
        self.with(|model| {
            if let Some(stream) = model.stream(id, stream) {
                stream.audience = audience;
            }
        });
    }

    fn leave(&mut self, id: TerminationId, stream: usize) {
        self.with(|model| model.stand_up((id, stream)));
    }

    fn drop_conference(&mut self, conference: ConferenceId) {
        self.with(|model| {
            model.conferences.remove(&conference);
            for stream in model.terminations.values_mut().flatten() {
                stream.seat = stream.seat.filter(|seat| seat.0 != conference);
            }
        });
    }

    fn treat(&mut self, id: TerminationId, stream: usize, treatment: Treatment) {
        self.with(|model| {
            if let Some(stream) = model.stream(id, stream) {
                stream.treatment = treatment;
            }
        });
    }

    fn perform(
        &mut self,
        id: TerminationId,
        stream: usize,
        ticket: u64,
        performance: Performance,
        format: Format,
    ) -> bool {
        let is_possible = format.can_carry(&performance);
        self.with(|model| match model.stream(id, stream).filter(|_| is_possible) {
            Some(stream) => {
                stream.performance = Some((ticket, performance));
                true
            }
            None => false,
        })
    }

    fn stop_performing(&mut self, id: TerminationId, stream: usize) {
        self.with(|model| {
            if let Some(stream) = model.stream(id, stream) {
                stream.performance = None;
            }
        });
    }

    fn watch(&mut self, id: TerminationId, stream: usize, watch: Watch) {
        self.with(|model| {
            if let Some(stream) = model.stream(id, stream) {
                stream.watch = watch;
            }
        });
    }

    fn keep_sound(&mut self, name: SoundId, sound: Option<Sound>) {
        self.with(|model| match sound {
            Some(sound) => {
                model.sounds.insert(name, sound);
            }
            None => {
                model.sounds.remove(&name);
            }
        });
    }

    fn set_country(&mut self, country: Country) {
        self.with(|model| model.country = country);
    }

    fn subtract(&mut self, id: TerminationId) -> TerminationStatistics {
        self.with(|model| {
            let streams = model.terminations.get(&id).map_or(0, Vec::len);
            for stream in 0..streams {
                model.unlink(id, stream);
            }
            model.terminations.remove(&id);
        });
        TerminationStatistics::default()
    }

    fn statistics(&self, id: TerminationId) -> Option<TerminationStatistics> {
        self.with(|model| {
            let streams = model.terminations.get(&id)?.len();
            let streams = vec![StreamStatistics::default(); streams];
            Some(TerminationStatistics { streams })
        })
    }
}
