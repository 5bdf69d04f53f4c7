import asyncio, sys, subprocess, time, os
from pathlib import Path
from bench.field import Field
from bench.load.wrk import wrk
from bench.work import SMALL, READ, INFO, LIST
which=sys.argv[1]; secs=float(sys.argv[2]); mode=sys.argv[3] if len(sys.argv)>3 else "cpu"
asks={"small":SMALL,"read":(READ,),"info":(INFO,),"list":(LIST,)}[sys.argv[4] if len(sys.argv)>4 else "small"]
def threads(pid):
    out={}
    for t in os.listdir(f"/proc/{pid}/task"):
        try:
            ns=int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0]); name=open(f"/proc/{pid}/task/{t}/comm").read().strip()
            out[t+":"+name]=ns
        except FileNotFoundError: pass
    return out
async def main():
    async with Field() as f:
        await f.need(which)
        t=f.targets[which]
        file=f.requests(t,asks)
        await wrk(t.url,file,connections=16,seconds=1,start=0)
        if t.router: t.router.counted(0,0)
        await asyncio.sleep(2)
        a=threads(t.pid)
        p=None
        if mode=="spy":
            p=subprocess.Popen(["/tmp/pyspy/bin/py-spy","record","-n","-r","500","-d",str(int(secs)),"-f","raw","-o","/tmp/spy.raw","-p",str(t.pid)],stdout=subprocess.DEVNULL,stderr=subprocess.DEVNULL)
        load=await wrk(t.url,file,connections=16,seconds=secs,start=0)
        if p: p.wait()
        await asyncio.sleep(3)
        b=threads(t.pid)
        print(load)
        for k in b:
            d=b[k]-a.get(k,0)
            if d>load.completed*100: print(k, round(d/load.completed/1000,2),"us/call")
asyncio.run(main())
