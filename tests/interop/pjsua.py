"""A phone made of pjsua2, told what to do by lines on standard input, and telling what happens on standard output.

Usage: pjsua.py USER PASSWORD SERVER TONE.wav LOG [strict] [by EDGE EDGE]
Answers every call by itself, after it rang, and speaks the tone in it. `strict`: it wants provisional answers acknowledged (RFC
3262) and sessions of 90 seconds (RFC 4028). `by`: it registers by each of these edge proxies, by TCP, as flows of one instance (RFC
5626); `again N` registers once more by the N-th. `dial NUMBER` calls beside that, `press DIGITS` presses keys in the
last call by RFC 4733, `hold`, `resume` (both by re-INVITE) and `update` (its offer by UPDATE) are about the last call, `attend`
joins the two others.
"""
import select
import sys

import pjsua2 as pj

user, password, server, tone, log, *manners = sys.argv[1:]
calls = []


def tell(*words):
    print(*words, flush=True)


class Call(pj.Call):
    def onCallState(self, prm):
        info = self.getInfo()
        tell("call", calls.index(self), info.stateText, info.lastStatusCode)

    def onCallMediaState(self, prm):
        # Kept by a name: its list of media is gone with it.
        info = self.getInfo()
        for number, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                player.startTransmit(self.getAudioMedia(number))

    def onCallTransferStatus(self, prm):
        tell("transfer", prm.statusCode)
        if prm.finalNotify and prm.statusCode == 200:
            self.hangup(pj.CallOpParam(True))


class Account(pj.Account):
    is_registered = False

    def onRegState(self, prm):
        self.is_registered = prm.code == 200
        tell("registered", prm.code)

    def onIncomingCall(self, prm):
        tell("called by", prm.rdata.srcAddress)
        call = Call(self, prm.callId)
        calls.append(call)
        for code in 180, 200:
            answer = pj.CallOpParam(True)
            answer.statusCode = code
            call.answer(answer)


endpoint = pj.Endpoint()
endpoint.libCreate()
settings = pj.EpConfig()
settings.uaConfig.threadCnt = 0
settings.uaConfig.mainThreadOnly = True
settings.logConfig.filename = log
settings.logConfig.consoleLevel = 0
endpoint.libInit(settings)
transport = pj.TransportConfig()
transport.boundAddress = "127.0.0.1"
endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
edges = manners[manners.index("by") + 1 :] if "by" in manners else []
if edges:
    endpoint.transportCreate(pj.PJSIP_TRANSPORT_TCP, transport)
endpoint.libStart()
endpoint.audDevManager().setNullDev()
player = pj.AudioMediaPlayer()
player.createPlayer(tone)
mine = pj.AccountConfig()
mine.idUri = f"sip:{user}@{server}"
mine.regConfig.registrarUri = f"sip:{server}"
mine.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
mine.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
if "strict" in manners:
    mine.callConfig.prackUse = pj.PJSUA_100REL_MANDATORY
    mine.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
    mine.callConfig.timerMinSESec = mine.callConfig.timerSessExpiresSec = 90
accounts = []
for flow, edge in enumerate(edges or [None], 1):
    if edge:
        mine.sipConfig.proxies.clear()
        mine.sipConfig.proxies.append(f"<sip:{edge};transport=tcp;lr>")
        mine.natConfig.sipOutboundUse = 1
        mine.natConfig.sipOutboundInstanceId = "<urn:uuid:6a3f2a52-9a0c-4d0b-8a3e-5f6d2c1b0e77>"
        mine.natConfig.sipOutboundRegId = str(flow)
        # A flow that is lost stays lost, until it is told to register again.
        mine.regConfig.retryIntervalSec = mine.regConfig.firstRetryIntervalSec = 600
    accounts.append(Account())
    accounts[-1].create(mine)
    # One after the other.
    while edge and not accounts[-1].is_registered:
        endpoint.libHandleEvents(20)
account = accounts[0]

while True:
    endpoint.libHandleEvents(20)
    if select.select([sys.stdin], [], [], 0)[0]:
        words = sys.stdin.readline().split()
        if not words:
            break
        if words[0] == "dial":
            calls.append(Call(account))
            calls[-1].makeCall(f"sip:{words[1]}@{server}", pj.CallOpParam(True))
        elif words[0] == "press":
            calls[-1].dialDtmf(words[1])
        elif words[0] == "hold":
            calls[-1].setHold(pj.CallOpParam(True))
        elif words[0] in ("resume", "update"):
            again = pj.CallOpParam(True)
            again.opt.flag = pj.PJSUA_CALL_UNHOLD
            calls[-1].reinvite(again) if words[0] == "resume" else calls[-1].update(again)
        elif words[0] == "again":
            accounts[int(words[1]) - 1].setRegistration(True)
        elif words[0] == "attend":
            calls[0].xferReplaces(calls[1], pj.CallOpParam(True))
