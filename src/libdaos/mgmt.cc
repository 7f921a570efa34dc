// daos_mgmt.h, as far as programs need it.
#include "daos_mgmt.h"

#include <cstdio>
#include <cstring>

#include "base/log.h"
#include "libdaos/convert.h"

using namespace varve;
using namespace varve::libdaos;

int daos_mgmt_list_pools(const char* group, daos_size_t* npools, daos_mgmt_pool_info_t* pools,
                         daos_event_t* ev) {
  if (!npools) return code(Code::kInvalid);
  return run(ev, [npools, pools](client::Session& session) -> Task<int> {
    auto listed = co_await session.list_pools();
    if (!listed) co_return failure(listed.error());
    const daos_size_t room = *npools;
    *npools = listed->size();
    if (!pools) co_return 0;
    if (room < listed->size()) co_return code(Code::kTruncated);
    for (size_t i = 0; i < listed->size(); ++i) {
      pools[i] = {};
      std::memcpy(pools[i].mgpi_uuid, (*listed)[i].uuid.bytes.data(), sizeof(uuid_t));
      pools[i].mgpi_label = strdup((*listed)[i].label.c_str());
    }
    co_return 0;
  });
}

int daos_mgmt_get_sys_info(const char* sys, struct daos_sys_info** info) {
  if (!info) return code(Code::kInvalid);
  return run(nullptr, [info](client::Session& session) -> Task<int> {
    auto system = co_await session.query_system();
    if (!system) co_return failure(system.error());
    auto* made = static_cast<daos_sys_info*>(calloc(1, sizeof(daos_sys_info)));
    auto* ranks = static_cast<daos_rank_uri*>(calloc(1, sizeof(daos_rank_uri)));
    auto* services = static_cast<uint32_t*>(calloc(1, sizeof(uint32_t)));
    if (!made || !ranks || !services) {
      free(made);
      free(ranks);
      free(services);
      co_return code(Code::kNoMemory);
    }
    system->name.copy(made->dsi_system_name, DAOS_SYS_INFO_STRING_MAX);
    std::strcpy(made->dsi_fabric_provider, "varve");
    made->dsi_nr_ranks = made->dsi_nr_ms_ranks = 1;
    made->dsi_ranks = ranks;
    ranks[0].dru_rank = system->rank;
    ranks[0].dru_uri = strdup(system->addresses.empty() ? "" : system->addresses.front().c_str());
    made->dsi_ms_ranks = services;
    services[0] = system->rank;
    *info = made;
    co_return 0;
  });
}

void daos_mgmt_put_sys_info(struct daos_sys_info* info) {
  if (!info) return;
  for (uint32_t i = 0; i < info->dsi_nr_ranks; ++i) free(info->dsi_ranks[i].dru_uri);
  free(info->dsi_ranks);
  free(info->dsi_ms_ranks);
  free(info);
}

int dc_mgmt_srv_version(uint32_t* major, uint32_t* minor, uint32_t* patch, char** tag) {
  if (!major || !minor || !patch || !tag) return code(Code::kInvalid);
  return run(nullptr, [=](client::Session& session) -> Task<int> {
    auto system = co_await session.query_system();
    if (!system) co_return failure(system.error());
    *major = *minor = *patch = 0;
    if (std::sscanf(system->version.c_str(), "%u.%u.%u", major, minor, patch) < 1)
      co_return code(Code::kProtocol);
    *tag = strdup(system->version.c_str());
    co_return *tag ? 0 : code(Code::kNoMemory);
  });
}

int daos_debug_add_mark(const char* mark) {
  if (!mark) return code(Code::kInvalid);
  if (const auto ready = require_initialized(); !ready) return failure(ready.error());
  log_info("mark: " + std::string(mark, strnlen(mark, 256)));
  return 0;
}
