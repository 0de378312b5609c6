-- The load of one run: GETs in turn over the lines of $REQUESTS ("path tenant token"), from line $FIRST on.
-- Prints the outcome as one line of JSON.
local requests, at = {}, 0

function init(_)
  -- By hand: wrk.format takes seconds for a hundred thousand.
  local tail = " HTTP/1.1\r\nHost: " .. os.getenv("HOST_HEADER") .. (os.getenv("CLOSE") and "\r\nConnection: close" or "") .. "\r\n"
  for line in io.lines(os.getenv("REQUESTS")) do
    local path, tenant, token = line:match("^(%S+) (%S+) (%S+)$")
    requests[#requests + 1] = "GET " .. path .. tail .. "x-tenant-id: " .. tenant .. "\r\nAuthorization: Bearer " .. token .. "\r\n\r\n"
  end
  at = tonumber(os.getenv("FIRST") or "0") % #requests
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%.6f,"refused":%d,"broken":%d,"p50_ms":%.3f,"p99_ms":%.3f,"p999_ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
