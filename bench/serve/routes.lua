-- wrk -s routes.lua URL -- ROUTE [DEPTH]: requests to a route of application.ts, DEPTH of
-- them at once. Targets and fields vary where a client's would.

local requests = {
  bare = function() return wrk.format("GET", "/bare") end,
  text = function() return wrk.format("GET", "/text") end,
  json = function(i)
    return wrk.format("GET", "/users/" .. i .. "?page=" .. i % 7, {
      ["X-Client"] = "client-" .. i,
      ["Accept"] = "application/json",
    })
  end,
  echo = function(i)
    local body = '{"id":' .. i .. ',"tags":["one","two"]}'
    return wrk.format("POST", "/echo", { ["Content-Type"] = "application/json" }, body)
  end,
  page = function() return wrk.format("GET", "/page") end,
}

local made = {}
local at = 0

function init(args)
  local make = requests[args[1]]
  local depth = tonumber(args[2] or "1")
  for i = 1, 1000 do
    local one = {}
    for k = 1, depth do one[k] = make(i * 10 + k) end
    made[i] = table.concat(one)
  end
end

function request()
  at = at % 1000 + 1
  return made[at]
end
