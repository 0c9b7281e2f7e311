// A phone made of JsSIP, `ua`. Its calls are told by `said`; the last one is `session`.

var session;

// As much of WebRTC as JsSIP asks of a browser.
function withoutWebRtc(port) {
    let version = 0;
    window.RTCPeerConnection = class extends EventTarget {
        iceGatheringState = 'complete';
        signalingState = 'stable';
        createOffer() {
            version += 1;
            return Promise.resolve({ type: 'offer', sdp: described(port, version, 'sendrecv') });
        }
        createAnswer() {
            version += 1;
            return Promise.resolve({ type: 'answer', sdp: described(port, version, 'sendrecv') });
        }
        setLocalDescription(description) {
            this.localDescription = description;
            return Promise.resolve();
        }
        setRemoteDescription(description) {
            said.push('described ' + directionOf(description.sdp));
            return Promise.resolve();
        }
        getSenders() {
            return [];
        }
        close() {}
    };
    return { mediaStream: { getTracks: () => [], getAudioTracks: () => [], getVideoTracks: () => [] } };
}

function phone(server, user) {
    const ua = new JsSIP.UA({
        sockets: [new JsSIP.WebSocketInterface(server)], uri: `sip:${user}@127.0.0.1`, password: `${user}-secret`,
        register_expires: 60, connection_recovery_min_interval: 1, connection_recovery_max_interval: 1,
    });
    for (const event of ['connected', 'disconnected', 'registered', 'unregistered', 'registrationFailed'])
        ua.on(event, () => said.push(event));
    ua.on('newRTCSession', event => {
        session = event.session;
        if (event.originator == 'remote')
            said.push(`call from ${session.remote_identity.display_name}`);
        for (const name of ['confirmed', 'ended', 'failed', 'hold', 'unhold'])
            session.on(name, () => said.push(name));
    });
    ua.start();
    return ua;
}

function asks(ua) {
    return new Promise(resolve => ua.sendOptions('sip:vaxel@127.0.0.1', null, { eventHandlers: {
        succeeded: event => resolve(event.response.status_code),
        failed: event => resolve(event.cause),
    } }));
}
