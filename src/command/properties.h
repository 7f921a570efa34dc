// Properties of pools and containers by the names that daos and dmg give them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "pool/wire.h"

namespace varve::command {

enum class Owner { kPool, kContainer };

// "cksum:crc32,rd_fac:0" as properties. kInvalid names the pair, and what the property takes;
// kNotSupported a property that nobody may set.
Result<std::vector<pool::Property>> parse_properties(Owner owner, std::string_view text);
// Those of `all` that `names` ("label,rd_fac"; empty: all) asks for, as daos shows them: a table,
// or a list of {name, description, value}.
Result<void> show_properties(Owner owner, const std::vector<pool::Property>& all,
                             std::string_view names, std::string& text, nlohmann::json& rows);
// The text of a text property; "" where there is none.
std::string text_of(const std::vector<pool::Property>& all, uint32_t type);

// Container types by name ("POSIX", "HDF5", ...; case does not matter). kInvalid lists them.
Result<uint64_t> layout_by_name(std::string_view name);

// Splits at `separator`; no empty parts.
std::vector<std::string> split_at(std::string_view text, char separator);

}  // namespace varve::command
