"""A phone made of pjsua2, told what to do by lines on standard input, and telling what happens on standard output.

Usage: pjsua.py USER PASSWORD SERVER TONE.wav LOG [strict]
Answers every call by itself, after it rang, and speaks the tone in it. `strict`: it wants provisional answers acknowledged (RFC
3262) and sessions of 90 seconds (RFC 4028). `dial NUMBER` calls beside that, `press DIGITS` presses keys in the
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
    def onRegState(self, prm):
        tell("registered", prm.code)

    def onIncomingCall(self, prm):
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
account = Account()
account.create(mine)

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
        elif words[0] == "attend":
            calls[0].xferReplaces(calls[1], pj.CallOpParam(True))
