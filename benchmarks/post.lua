-- Posts a request again and again, each time with another id, because ids are unique
-- in a session. Says in one line of JSON what came of it.
wrk.method = "POST"
for name, value in os.getenv("BENCHMARK_HEADERS"):gmatch("([^:\n]+): ([^\n]+)") do
  wrk.headers[name] = value
end

local before, after = os.getenv("BENCHMARK_BODY"):match('^(.*"id":)1(.*)$')
local id = 0

function request()
  id = id + 1
  return wrk.format(nil, nil, nil, before .. id .. after)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"failed":%d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
