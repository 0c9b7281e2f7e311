// What the phones in pages share. What happens to them is kept in `said`; what they say of their sound is where the test's own
// socket is, in plain RTP: a page of the real world has WebRTC there.

var said = [];

function described(port, version, direction) {
    return ['v=0', `o=page 1 ${version} IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', `m=audio ${port} RTP/AVP 0 101`,
        'a=rtpmap:0 PCMU/8000', 'a=rtpmap:101 telephone-event/8000', `a=${direction}`, ''].join('\r\n');
}

function directionOf(sdp) {
    return (/a=(sendrecv|sendonly|recvonly|inactive)/.exec(sdp) || ['', 'sendrecv'])[1];
}
