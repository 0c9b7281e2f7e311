// A phone made of SIP.js.

var sessions = [];

class Described {
    constructor(port) {
        this.port = port;
        this.version = 0;
    }
    getDescription(options) {
        this.version += 1;
        const body = described(this.port, this.version, (options && options.direction) || 'sendrecv');
        return Promise.resolve({ body, contentType: 'application/sdp' });
    }
    hasDescription(contentType) {
        return contentType == 'application/sdp';
    }
    setDescription(sdp) {
        said.push('described ' + directionOf(sdp));
        return Promise.resolve();
    }
    rollbackDescription() {
        return Promise.resolve();
    }
    sendDtmf() {
        return false;
    }
    close() {}
}

// How many calls there were; this one is known by its place among them.
function keep(session) {
    const number = sessions.push(session) - 1;
    session.stateChange.addListener(state => said.push(`call ${number} ${state}`));
    session.delegate = { onBye: bye => { said.push(`call ${number} BYE`); bye.accept(); } };
    return number;
}

function phone(server, user, port, extension) {
    const agent = new SIP.UserAgent({
        uri: SIP.UserAgent.makeURI(`sip:${user}@127.0.0.1`),
        transportOptions: { server },
        authorizationUsername: user,
        authorizationPassword: `${user}-secret`,
        sipExtension100rel: extension,
        sessionDescriptionHandlerFactory: () => new Described(port),
        logBuiltinEnabled: false,
        logConnector: (level, category, label, content) => { if (level == 'warn' || level == 'error') said.push(content); },
        delegate: {
            onConnect: () => said.push('connected'),
            onDisconnect: () => said.push('disconnected'),
            onInvite: invitation => {
                const name = invitation.remoteIdentity.displayName;
                said.push(`call ${keep(invitation)} from ${name}`);
            },
        },
    });
    const registerer = new SIP.Registerer(agent, { expires: 60 });
    registerer.stateChange.addListener(state => said.push(state));
    return {
        start: () => agent.start().then(() => registerer.register()).then(() => 0),
        // It goes without a word, and comes again.
        leave: () => agent.transport.disconnect(),
        returns: () => agent.reconnect().then(() => registerer.register()).then(() => 0),
        dial: (number, options) => {
            const inviter = new SIP.Inviter(agent, SIP.UserAgent.makeURI(`sip:${number}@127.0.0.1`), options);
            keep(inviter);
            return inviter.invite().then(() => 0);
        },
        answer: () => sessions.at(-1).accept(),
        // `withoutSdp`: it asks for an offer, and describes itself in the answer.
        describe: (direction, withoutSdp) => sessions.at(-1).invite({
            withoutSdp, sessionDescriptionHandlerOptions: { direction },
        }).then(() => 0),
        transfer: number => sessions.at(-1).refer(SIP.UserAgent.makeURI(`sip:${number}@127.0.0.1`), {
            onNotify: notification => {
                said.push('told ' + notification.request.body.split('\r\n')[0]);
                notification.accept();
            },
        }).then(() => 0),
        hangUp: () => sessions.at(-1).bye().then(() => 0),
    };
}
