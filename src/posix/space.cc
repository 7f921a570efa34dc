#include "posix/file_system.h"
#include "posix/parallel.h"

namespace varve::posix {
namespace {

constexpr uint32_t kPageEntries = 512;
constexpr size_t kObjectsAtOnce = 32;
constexpr uint8_t kByteArrayType = 13;
constexpr uint8_t kBytes = 64;  // object::QueryRequest::flags

struct CountJob {
  Session* session;
  client::Object object;
  uint64_t bytes = 0;
};
Task<Result<void>> count_object(CountJob& job) {
  const auto reply = co_await job.session->query(job.object, {}, as_bytes(kDataKey), kBytes);
  if (!reply && reply.code() != Code::kNonexistent) co_return reply.error();
  if (reply) job.bytes = reply->bytes;
  co_return Result<void>();
}

}  // namespace

Task<Result<SpaceReport>> FileSystem::space(Session& session, bool count) {
  VARVE_CO_TRY(const pool::QueryPoolReply pool,
               co_await session.query_pool(container_->pool->uuid.to_string()));
  SpaceReport report;
  report.pool_bytes = pool.info.space.total;
  report.pool_free_bytes = pool.info.space.free;
  Session::Anchor anchor;
  while (count && !anchor.end) {
    VARVE_CO_TRY(const std::vector<ObjectId> page,
                 co_await session.list_objects(container_, mount_.snapshot, anchor, kPageEntries));
    report.objects += page.size();
    std::vector<CountJob> jobs;
    for (const ObjectId oid : page) {
      if (static_cast<uint8_t>(oid.high >> 56) != kByteArrayType) continue;
      VARVE_CO_TRY(client::Object object, open_object(session, oid));
      jobs.push_back({&session, std::move(object)});
    }
    VARVE_CO_CHECK(co_await for_each_limited(jobs, kObjectsAtOnce, count_object));
    for (const CountJob& job : jobs) report.file_bytes += job.bytes;
  }
  co_return report;
}

}  // namespace varve::posix
