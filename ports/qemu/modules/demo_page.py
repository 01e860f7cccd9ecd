# The page of demo.py, as the browser gets it: one file, nothing from elsewhere, below 12 kB.

HTML = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>netstack</title>
<link rel="icon" href="data:,">
<style>
:root{--bg:#f6f6f3;--card:#fff;--line:#e3e2dd;--ink:#16161a;--dim:#62615c;
--out:#2a6fd0;--in:#c84f1b;--ok:#1a8a4a;--bad:#c8352e}
@media(prefers-color-scheme:dark){:root{--bg:#131316;--card:#1c1c20;--line:#313136;--ink:#f2f1ed;
--dim:#a3a29b;--out:#4a94ee;--in:#e8743c;--ok:#35b36c;--bad:#f0655d}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,sans-serif;
font-variant-numeric:tabular-nums}
main{max-width:1000px;margin:0 auto;padding:28px 16px 40px;display:grid;gap:14px}
h1{margin:0;font-size:26px;line-height:1.2;letter-spacing:-.02em}
h2{margin:0 0 8px;font-size:13px;font-weight:600;color:var(--dim)}
p{margin:4px 0 0;color:var(--dim)}
header{display:flex;flex-wrap:wrap;gap:8px 24px;justify-content:space-between;align-items:end}
#live{display:flex;align-items:center;gap:8px;white-space:nowrap;color:var(--dim)}
#live:before{content:"";width:9px;height:9px;border-radius:9px;background:var(--ok)}
#live.off{color:var(--bad)}
#live.off:before{background:var(--bad)}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px;
min-width:0}
.row{display:grid;gap:14px;grid-template-columns:repeat(4,1fr)}
.two{grid-template-columns:1fr 1fr}
.big{font-size:24px;font-weight:600;letter-spacing:-.02em;line-height:1.2;white-space:nowrap}
.big small{font-size:14px;font-weight:400;color:var(--dim);letter-spacing:0}
.bar{height:5px;border-radius:5px;background:var(--line);margin-top:9px;overflow:hidden}
.bar i{display:block;height:100%;width:0;background:var(--out);transition:width .4s}
.note{font-size:13px;color:var(--dim);margin-top:5px;min-height:1.45em}
.does .note{margin:0 4px}
.head{display:flex;flex-wrap:wrap;gap:8px 18px;align-items:center;margin-bottom:6px}
.head h2{margin:0 auto 0 0}
.key{display:flex;gap:7px;align-items:center;font-size:13px;color:var(--dim)}
.key:before{content:"";width:14px;height:3px;border-radius:3px;background:var(--c)}
.key b{color:var(--ink);font-weight:600;min-width:74px}
#chart{position:relative}
svg{display:block;width:100%;height:220px;overflow:visible}
svg text{fill:var(--dim);font-size:11px}
#tip{position:absolute;top:4px;pointer-events:none;background:var(--card);white-space:nowrap;
border:1px solid var(--line);border-radius:8px;padding:5px 9px;font-size:12px;display:none}
#cur{position:absolute;top:8px;height:190px;width:1px;background:var(--dim);display:none}
button{font:inherit;font-size:14px;color:var(--ink);background:none;cursor:pointer;
border:1px solid var(--line);border-radius:8px;padding:6px 13px}
button:hover{border-color:var(--dim)}
button[aria-pressed=true]{background:var(--out);border-color:var(--out);color:var(--card)}
#up[aria-pressed=true]{background:var(--in);border-color:var(--in)}
.does{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin-top:10px}
table{width:100%;border-collapse:collapse;font-size:14px}
td,th{padding:4px 0;border-top:1px solid var(--line);text-align:right;font-weight:400}
tr:first-child>*{border-top:0}
th{color:var(--dim)}
th:first-child,td:first-child{text-align:left}
#conns th:nth-child(2),#conns td:nth-child(2){text-align:left}
code{font:13px ui-monospace,monospace}
@media(max-width:680px){.row{grid-template-columns:1fr 1fr}.two{grid-template-columns:1fr}
.big{font-size:20px}main{padding-top:18px}.key b{min-width:66px}}
</style>
</head>
<body>
<main>
<header>
<div><h1 id="board">netstack</h1>
<p>This page comes from a TCP/IP stack written in MicroPython<span id="release"></span>.</p></div>
<div id="live" role="status">connecting</div>
</header>
<div class="row">
<section><h2>Uptime</h2><div class="big" id="uptime">&ndash;</div>
<div class="note" id="mcu"></div></section>
<section><h2>Heap in use</h2><div class="big" id="heap">&ndash;</div>
<div class="bar"><i id="heapbar"></i></div><div class="note" id="heapnote"></div></section>
<section><h2>Peak frames</h2><div class="big" id="pool">&ndash;</div>
<div class="bar"><i id="poolbar"></i></div><div class="note" id="poolnote"></div></section>
<section><h2>Requests</h2><div class="big" id="requests">&ndash;</div>
<div class="note" id="ms"></div></section>
</div>
<section>
<div class="head"><h2>Throughput, last minute</h2>
<span class="key" style="--c:var(--out)">board sends <b id="outnow">&ndash;</b></span>
<span class="key" style="--c:var(--in)">receives <b id="innow">&ndash;</b></span></div>
<div id="chart"><svg id="svg" role="img" aria-label="Throughput of the last minute"></svg>
<div id="cur"></div><div id="tip"></div></div>
<div class="does"><button id="down" aria-pressed="false">Download</button>
<button id="up" aria-pressed="false">Upload</button>
<span class="note" id="loadnote"></span></div>
</section>
<section><h2 id="connhead">Open connections</h2><table id="conns"></table></section>
<div class="row two">
<section><h2 id="nifhead">Interface</h2><table id="nif"></table></section>
<section><h2>TCP</h2><table id="tcp"></table></section>
</div>
</main>
<script>
"use strict";
const $=id=>document.getElementById(id),SPAN=6e4;
let points=[],last,lastOk=performance.now();
const text=(id,s)=>{if($(id).textContent!==s)$(id).textContent=s};
const num=n=>n.toLocaleString("en").replace(/,/g,"\\u2009");
const size=n=>n<1e3?n+" B":n<1e6?(n/1e3).toFixed(n<1e5?1:0)+" kB":n<1e9?(n/1e6).toFixed(1)+" MB"
:(n/1e9).toFixed(2)+" GB";
const rate=n=>size(Math.round(n))+"/s";
const big=(id,s)=>{const[a,...b]=s.split(" ");$(id).innerHTML=a+"<small> "+b.join(" ")+"</small>"};
const time=s=>{const d=s/86400|0,h=s%86400/3600|0,m=s%3600/60|0;
return d?d+"d "+h+"h":h?h+"h "+m+"m":m?m+"m "+s%60+"s":s+"s"};
function table(id,rows,tag){
const t=$(id);
while(t.rows.length>rows.length)t.deleteRow(-1);
rows.forEach((row,i)=>{
const r=t.rows[i]||t.insertRow();
if(r.cells.length!==row.length||r.className!==(tag&&!i?"h":"")){r.textContent="";
row.forEach(()=>r.append(document.createElement(tag&&!i?"th":"td")));r.className=tag&&!i?"h":""}
row.forEach((c,k)=>{c=typeof c==="number"?num(c):c;
if(r.cells[k].textContent!==c)r.cells[k].textContent=c})})}
function show(s,ms){
const[name,mcu]=s.machine.split(" with ");
document.title="netstack on "+name;
text("board","netstack on "+name);
text("uptime",time(s.uptime));
text("release"," "+s.release);text("mcu","on a "+(mcu||name));
const[used,free]=s.heap,p=s.pool,nif=s.nifs.find(n=>n.name!=="lo")||s.nifs[0];
big("heap",size(used));$("heapbar").style.width=100*used/(used+free)+"%";
text("heapnote",size(free)+" free");
big("pool",p.frames-p.low+" of "+p.frames);
$("poolbar").style.width=100-100*p.low/p.frames+"%";
text("poolnote",p.frames-p.free+" in use now");
text("requests",num(s.requests));text("ms","this one in "+ms+" ms");
text("nifhead","Interface "+nif.name+(nif.link?"":", no link"));
table("nif",[["address",nif.addr||"none"],["gateway",nif.gw||"none"],["MAC",nif.mac],
["frames in",nif.in],["frames out",nif.out],["bytes in",size(nif.in_bytes)],
["bytes out",size(nif.out_bytes)],["dropped by the NIC",nif.drops],
["dropped, queue full",nif.out_full]]);
const t=s.tcp;
table("tcp",[["segments in",t.in],["segments out",t.out],["opened",t.opened],
["retransmitted",t.rexmt],["fast retransmits",t.fast_rexmt],["timeouts",t.timeouts],
["out of order",t.out_of_order],["bad checksum",t.in_checksum],["resets seen",t.resets]]);
const open=Object.entries(s.states).filter(e=>e[0]!=="TIME-WAIT").reduce((a,e)=>a+e[1],0),
tw=s.states["TIME-WAIT"]||0;
text("connhead","Open connections: "+open+(tw?", and "+tw+" in TIME-WAIT":""));
table("conns",[["peer","state","to read","to send"],
...s.conns.map(c=>[c[0],c[2].toLowerCase(),size(c[3]),size(c[4])])],1);
if(last&&s.ms!==last.ms){
const dt=(s.ms-last.ms&0x3fffffff)/1e3,d=k=>(nif[k]-last.nif[k]>>>0)/dt;
if(dt<30)points.push({t:performance.now(),o:d("out_bytes"),i:d("in_bytes")});
else points=[]}
last={ms:s.ms,nif};
while(points.length>1&&points[1].t<performance.now()-SPAN-2e3)points.shift();
const q=points[points.length-1];
if(q){text("outnow",rate(q.o));text("innow",rate(q.i))}}
let scale;
function draw(){
const w=$("chart").clientWidth,h=220,L=58,B=198,T=8,now=performance.now();
const most=Math.max(8e3,...points.map(p=>Math.max(p.o,p.i))),e=10**Math.floor(Math.log10(most));
const top=[1,2,4,5,10].map(k=>k*e).find(v=>v>=most);
const x=t=>w-4-(now-t)/SPAN*(w-4-L),y=v=>B-v/top*(B-T);
scale={x,L,w};
let s="";
for(let k=0;k<=4;k++){const v=top*k/4,yy=y(v);
s+=`<line x1="${L}" x2="${w}" y1="${yy}" y2="${yy}" stroke="var(--line)"/>`
+`<text x="${L-8}" y="${yy+4}" text-anchor="end">${k?rate(v).replace(".0 "," "):0}</text>`}
for(const a of[60,45,30,15,0])s+=`<text x="${x(now-a*1e3)}" y="${h-4}" text-anchor="${
a?a===60?"start":"middle":"end"}">${a?"-"+a+" s":"now"}</text>`;
s+=`<clipPath id="c"><path d="M${L} 0H${w}V${B+2}H${L}"/></clipPath><g clip-path="url(#c)">`;
if(points.length)for(const[k,c]of[["o","out"],["i","in"]]){
const line=points.map(p=>x(p.t).toFixed(1)+" "+y(p[k]).toFixed(1)).join("L");
s+=`<path d="M${line}V${B}H${x(points[0].t)}Z" fill="var(--${c})" opacity=".12"/>`
+`<path d="M${line}" fill="none" stroke="var(--${c})" stroke-width="2" stroke-linejoin="round"/>`}
$("svg").innerHTML=s+"</g>"}
$("chart").onpointermove=e=>{
if(!scale||!points.length)return;
const at=e.clientX-$("chart").getBoundingClientRect().left;
const p=points.reduce((a,b)=>Math.abs(scale.x(b.t)-at)<Math.abs(scale.x(a.t)-at)?b:a);
const px=scale.x(p.t),t=$("tip"),ago=Math.round((performance.now()-p.t)/1e3);
t.textContent=(ago?ago+" s ago":"now")+": sends "+rate(p.o)+", receives "+rate(p.i);
t.style.display=$("cur").style.display="block";$("cur").style.left=px+"px";
t.style.left=Math.max(0,Math.min(px-t.offsetWidth/2,scale.w-t.offsetWidth))+"px"};
$("chart").onpointerleave=()=>$("tip").style.display=$("cur").style.display="none";
async function poll(){
const t0=performance.now();
try{
const r=await fetch("/api/status",{signal:AbortSignal.timeout(4e3),cache:"no-store"});
show(await r.json(),Math.round(performance.now()-t0));
lastOk=performance.now();$("live").className="";text("live","live")
}catch(e){
$("live").className="off";
text("live","no answer for "+Math.round((performance.now()-lastOk)/1e3)+" s")}
draw();
setTimeout(poll,Math.max(100,1e3-(performance.now()-t0)))}
function load(id,once){
let stop;
$(id).onclick=async()=>{
if(stop)return stop.abort();
stop=new AbortController();$(id).setAttribute("aria-pressed",true);
let n=0;const t0=performance.now();
try{for(;;){n+=await once(stop.signal);
text("loadnote",size(n)+(id==="up"?" sent to":" fetched from")+" the board, "
+rate(n/(performance.now()-t0)*1e3))}
}catch(e){if(e.name!=="AbortError")text("loadnote","the board did not answer")}
stop=null;$(id).setAttribute("aria-pressed",false)}}
load("down",async signal=>(await(await fetch("/blob/256k",{signal})).arrayBuffer()).byteLength);
load("up",async signal=>{const body=new Uint8Array(131072);
await fetch("/upload",{method:"POST",body,signal});return body.length});
onresize=draw;draw();poll();
</script>
</body>
</html>
"""
