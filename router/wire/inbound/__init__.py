"""The listener's side of the relay: requests answered at protocol level, inside uvicorn, without ASGI.

`protocol` is uvicorn's HTTP protocol class with one question more: may this request be relayed as it is? If so an
`exchange` passes it to an origin and the answer back; everything else goes to the ASGI application unchanged. `head`
knows a request head's parts. What may be relayed, and what is recorded of it, is the engine's matter.
"""
