-- Sends prepared requests in turn, counts what it sent, prints the result as one line of JSON.
-- Arguments behind "--": a file with requests, NUL between them.
local requests, turn, count = {}, 0, 0
sent = 0

function setup(thread)
  threads = threads or {}
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for each in (file:read("*a") .. "\0"):gmatch("([^%z]+)%z") do
    table.insert(requests, each)
  end
  file:close()
  count = #requests
  turn = tonumber(args[2]) or 0
end

function request()
  sent = sent + 1
  turn = turn % count + 1
  return requests[turn]
end

function done(summary, latency, _)
  local total = 0
  for _, thread in ipairs(threads) do
    total = total + thread:get("sent")
  end
  -- wrk asks the first thread for one request before it begins, to see whether they change.
  local errors = summary.errors
  io.write(string.format(
    '\n{"completed": %d, "sent": %d, "microseconds": %d, "bytes": %d, "refused": %d, "broken": %d, '
      .. '"p50": %d, "p90": %d, "p99": %d, "most": %d}\n',
    summary.requests, total - 1, summary.duration, summary.bytes, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
